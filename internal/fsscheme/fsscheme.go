// Package fsscheme knows the file systems that a data source name can choose by a URL.
package fsscheme

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/afero"
)

// An Opener opens the file system that a URL names. If it is an [io.Closer], whoever asked
// for it closes it.
type Opener func(ctx context.Context, u *url.URL) (afero.Fs, error)

// ErrBroken is in the errors of a file that works no more and never will, though its file
// system does: it is to be opened anew.
var ErrBroken = errors.New("fsscheme: the open file is broken")

var (
	mu       sync.Mutex
	byScheme = map[string]Opener{} // guarded by mu
)

// Register has URLs of a scheme opened by open. It is for init functions, and panics if
// the scheme is taken.
func Register(scheme string, open Opener) {
	mu.Lock()
	defer mu.Unlock()
	if byScheme[scheme] != nil {
		panic("fsscheme: registered twice: " + scheme)
	}
	byScheme[scheme] = open
}

// Lookup returns the opener of a URL. Its error says what there is.
func Lookup(text string) (Opener, *url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	if open := byScheme[u.Scheme]; open != nil {
		return open, u, nil
	}
	if len(byScheme) == 0 {
		return nil, nil, fmt.Errorf("no file system %q: import the package that brings it, such as wasmplugins", u.Scheme)
	}
	return nil, nil, fmt.Errorf("no file system %q: use one of %s", u.Scheme, strings.Join(slices.Sorted(maps.Keys(byScheme)), ", "))
}
