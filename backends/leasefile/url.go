package leasefile

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

// Scheme is the scheme of the lock URLs of this package.
const Scheme = "leasefile"

// Suffix ends the name of every register.
const Suffix = ".lease"

func init() {
	locking.RegisterBackend(Scheme, locking.LeaseBackend(func(_ context.Context, u *url.URL, database string) (locking.Register, error) {
		return Open(u, database)
	}))
}

// Open returns the register that a lock URL names for a database, whose path is
// absolute. It does no I/O.
//
//	leasefile:                         DATABASE.lease
//	leasefile:///other/dir             /other/dir/NAME.lease, where NAME is the base name of the database
//	leasefile:///other/dir/some.lease  that very directory; [Register.String] returns this form
//
// The name does not tell apart two databases of one name that lie in different
// directories, since hosts may reach one database by different paths, and it must
// be one register for all of them. Give such databases directories of their own,
// or name their registers. The directory must exist: one that was not mounted is
// an error, and not a register of this host alone.
func Open(u *url.URL, database string) (*Register, error) {
	dir, err := registerPath(u, database)
	if err != nil {
		return nil, fmt.Errorf("leasefile: lock URL %q: %w", u, err)
	}
	return New(hostFs{}, dir), nil
}

func registerPath(u *url.URL, database string) (string, error) {
	switch {
	case u.RawQuery != "":
		name, _, _ := strings.Cut(u.RawQuery, "=")
		return "", fmt.Errorf("unknown parameter %q: a lease file has none of its own; those of every lease are ttl, renew, guard, poll, idle, timeout and sticky", name)
	case u.Opaque != "" || u.User != nil || u.Fragment != "":
		return "", errors.New("want leasefile:///DIRECTORY with an absolute path")
	case u.Host != "" && runtime.GOOS != "windows":
		return "", fmt.Errorf("%q is read as a host: write leasefile:///DIRECTORY with three slashes", u.Host)
	case u.Host == "" && u.Path == "":
		return database + Suffix, nil
	}
	dir := localPath(u)
	if !filepath.IsAbs(dir) {
		return "", errors.New("want leasefile:///DIRECTORY with an absolute path")
	}
	if strings.HasSuffix(dir, Suffix) {
		return dir, nil
	}
	return filepath.Join(dir, filepath.Base(database)+Suffix), nil
}

// localPath returns the path in a URL as this operating system spells it.
func localPath(u *url.URL) string {
	path := u.Path
	if runtime.GOOS == "windows" {
		if u.Host != "" {
			path = "//" + u.Host + path
		} else if trimmed := strings.TrimPrefix(path, "/"); filepath.VolumeName(trimmed) != "" {
			path = trimmed // /C:/dir
		}
	}
	return filepath.Clean(filepath.FromSlash(path))
}

// lockURL is the inverse of [localPath].
func lockURL(path string) string {
	path = filepath.ToSlash(path)
	u := url.URL{Scheme: Scheme, Path: path}
	if runtime.GOOS == "windows" {
		if host, rest, isShare := strings.Cut(strings.TrimPrefix(path, "//"), "/"); isShare && strings.HasPrefix(path, "//") {
			u.Host, u.Path = host, "/"+rest
		} else {
			u.Path = "/" + path
		}
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}
