package locking

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Backend opens the locks of one database. The URL is what the user gave, such
// as leasefile:///other/dir?x=y, without the options of the [Coordinator], which
// come as opts; database is the absolute path of the database. A query parameter
// that the backend does not know is an error.
type Backend func(ctx context.Context, u *url.URL, database string, opts Options) (Locker, error)

var backends struct {
	mu     sync.RWMutex
	byName map[string]Backend // guarded by mu
}

// RegisterBackend makes a backend available under a URL scheme. Backends call it
// from init, so that a blank import adds one. It panics if the scheme is taken.
func RegisterBackend(scheme string, b Backend) {
	backends.mu.Lock()
	defer backends.mu.Unlock()
	if _, taken := backends.byName[scheme]; taken {
		panic("locking: two backends for scheme " + scheme)
	}
	if backends.byName == nil {
		backends.byName = make(map[string]Backend)
	}
	backends.byName[scheme] = b
}

// FindBackend returns the backend registered under a URL scheme.
// The error for one that is not there names those that are.
func FindBackend(scheme string) (Backend, error) {
	backends.mu.RLock()
	defer backends.mu.RUnlock()
	if b, ok := backends.byName[scheme]; ok {
		return b, nil
	}
	var known []string
	for name := range backends.byName {
		known = append(known, name)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("locking: no lock backend %q: use one of %s, or import the package that brings it",
		scheme, strings.Join(known, ", "))
}

// LeaseBackend makes a [Backend] of a function that opens a [Register], for which it gets
// [Options.Timeout]. What takes longer is [ErrUnreachable].
func LeaseBackend(open func(ctx context.Context, u *url.URL, database string) (Register, error)) Backend {
	return func(ctx context.Context, u *url.URL, database string, opts Options) (Locker, error) {
		opts, err := opts.Effective()
		if err != nil {
			return nil, err
		}
		op, cancel := context.WithTimeout(ctx, opts.Timeout)
		defer cancel()
		reg, err := open(op, u, database)
		switch {
		case err != nil && op.Err() != nil && ctx.Err() == nil:
			return nil, fmt.Errorf("%w within %v: %v", ErrUnreachable, opts.Timeout, err)
		case err != nil:
			return nil, err
		}
		return NewCoordinator(reg, opts)
	}
}
