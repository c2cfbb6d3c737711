package wasmplugins

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/fsscheme"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/spf13/afero"
)

// Scheme is the scheme of the URLs of this package.
const Scheme = "wasm"

func init() {
	locking.RegisterBackend(Scheme, locking.LeaseBackend(func(ctx context.Context, u *url.URL, database string) (locking.Register, error) {
		r, err := Open(ctx, u, database)
		if err != nil {
			return nil, err
		}
		return r.Watched(), nil
	}))
	fsscheme.Register(Scheme, func(ctx context.Context, u *url.URL) (afero.Fs, error) {
		return OpenFS(ctx, u)
	})
}

// Open loads the plugin that a lock URL names, and opens it as the lock of a database. To
// close the register frees the plugin. See [FromURL] for the URLs.
func Open(ctx context.Context, u *url.URL, database string) (*Register, error) {
	p, err := fromLog(ctx, u, DefaultLimit)
	if err != nil {
		return nil, err
	}
	r, err := p.Register(ctx, database)
	if err != nil {
		p.Close()
		return nil, err
	}
	r.owned = p
	return r, nil
}

// fromLog loads a plugin that says what it has to say to the program's log. Without a
// limit in the URL a call may take as long as given.
func fromLog(ctx context.Context, u *url.URL, limit time.Duration) (*Plugin, error) {
	o, err := FromURL(u)
	if err != nil {
		return nil, err
	}
	o.Limit = cmp.Or(o.Limit, limit)
	o.Log = func(level slog.Level, text string) {
		slog.Log(context.Background(), level, text, "plugin", o.Path)
	}
	return Load(ctx, o)
}

// localPath returns the path in a URL as this operating system spells it.
func localPath(u *url.URL) string {
	path := u.Path
	if trimmed := strings.TrimPrefix(path, "/"); runtime.GOOS == "windows" && filepath.VolumeName(trimmed) != "" {
		path = trimmed // /C:/dir
	}
	return filepath.Clean(filepath.FromSlash(path))
}
