package holdfast

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
)

const onWindows = runtime.GOOS == "windows"

// driverName is the name of the database/sql driver and of the SQLite VFS.
const driverName = "holdfast"

// A source is a data source name, taken apart.
type source struct {
	path   string // as SQLite sees it, decoded; "" is a temporary database
	params url.Values
}

// parseSource takes a data source name apart, the way SQLite does, but refuses
// what SQLite would silently take for something else than was meant.
//
// https://sqlite.org/uri.html
func parseSource(name string) (source, error) {
	src, err := splitSource(name, onWindows)
	if err != nil {
		return source{}, fmt.Errorf("holdfast: %q: %w", name, err)
	}
	return src, nil
}

func splitSource(name string, windows bool) (src source, err error) {
	rest, uri := strings.CutPrefix(name, "file:")
	if !uri {
		return plainSource(name, windows)
	}
	if strings.Contains(rest, "#") {
		return src, errors.New("SQLite ignores what follows a # in a file: name; write it as %23")
	}
	rawPath, rawQuery, _ := strings.Cut(rest, "?")
	if rawPath, err = dropAuthority(rawPath); err != nil {
		return src, err
	}
	if src.path, err = decode(rawPath); err != nil {
		return src, err
	}
	// SQLite strips the slash before a drive letter in its own Windows VFS only.
	if windows && len(src.path) > 2 && src.path[0] == '/' && src.path[2] == ':' {
		src.path = src.path[1:]
	}
	src.params, err = parseParams(rawQuery)
	return src, err
}

// plainSource is a data source name that is a path, to be taken literally.
func plainSource(name string, windows bool) (source, error) {
	if strings.ContainsRune(name, 0) {
		return source{}, errors.New("a path cannot contain a NUL byte")
	}
	path := name
	if windows {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	src := source{path: path, params: url.Values{}}
	// Whoever writes app.db?lock=… means a parameter. SQLite would create a file
	// of that very name, and leave the database without the lock.
	if file, query, found := strings.Cut(name, "?"); found {
		key, _, _ := strings.Cut(query, "=")
		if _, known := params[key]; known || pragmaOf(key) != "" {
			return src, fmt.Errorf("only a file: name takes parameters; write file:%s", escape(filepath.ToSlash(file))+"?"+query)
		}
	}
	return src, nil
}

// dropAuthority removes the // and an empty or local host before an absolute path.
func dropAuthority(rawPath string) (string, error) {
	rest, ok := strings.CutPrefix(rawPath, "//")
	if !ok {
		return rawPath, nil
	}
	rest = strings.TrimPrefix(rest, "localhost")
	switch {
	case strings.HasPrefix(rest, "///"): // five slashes are a Windows network path
		return rest[1:], nil
	case strings.HasPrefix(rest, "/"):
		return rest, nil
	}
	host, _, _ := strings.Cut(rest, "/")
	return "", fmt.Errorf("%q is taken for a host name; write file:%s for a relative path, file:///%[2]s for an absolute one", host, rest)
}

// parseParams decodes the parameters. In those that only go-sqlite3's driver
// reads, whose names begin with an underscore, a + is a space; SQLite itself
// takes it literally.
func parseParams(rawQuery string) (url.Values, error) {
	values := url.Values{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		if strings.HasPrefix(pair, "_") {
			pair = strings.ReplaceAll(pair, "+", "%20")
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := decode(rawKey)
		if err != nil {
			return nil, err
		}
		value, err := decode(rawValue)
		if err != nil {
			return nil, err
		}
		values.Add(key, value)
	}
	return values, nil
}

func decode(s string) (string, error) {
	d, err := url.PathUnescape(s)
	if err != nil {
		return "", fmt.Errorf("%w; write a percent sign as %%25", err)
	}
	if strings.ContainsRune(d, 0) {
		return "", errors.New("a data source name cannot contain a NUL byte")
	}
	return d, nil
}

// String returns the name in the one spelling that SQLite, Go's url package and
// go-sqlite3's driver all read alike.
func (s source) String() string {
	path := escape(s.path)
	if strings.HasPrefix(path, "//") {
		path = "/%2F" + path[2:] // else the next segment would be the host
	}
	name := "file:" + path
	if len(s.params) > 0 {
		name += "?" + strings.ReplaceAll(s.params.Encode(), "+", "%20")
	}
	return name
}

// escape encodes a path for a URI, except for the slashes and the colon of a
// drive letter.
func escape(path string) string {
	e := url.PathEscape(path)
	return strings.NewReplacer("%2F", "/", "%3A", ":").Replace(e)
}

// private reports whether the database is this connection's alone, in memory or
// temporary: no lock applies to it.
func (s source) private() bool {
	return s.path == "" || s.path == ":memory:" || s.params.Get("mode") == "memory"
}
