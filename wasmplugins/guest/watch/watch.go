// Package watch makes a plugin that brings a lock and can tell when it changes. To do that
// takes a server that answers when something changed: a plugin can only send requests.
package watch

import (
	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

// A Register is a lock that can tell of changes.
type Register interface {
	lock.Register
	// Watch returns nil when the version may be other than known. It returns within the
	// time of a call (5 seconds, if the URL says nothing else) in any case, and may be wrong.
	Watch(known string) error
}

var watched Register

// Serve makes this program a lock, as [lock.Serve] does.
func Serve(about guest.About, open func(*guest.Config) (Register, error)) {
	lock.Serve(about, func(c *guest.Config) (lock.Register, error) {
		r, err := open(c)
		watched = r
		return r, err
	})
}

// watch is what the export does.
func watch(known []byte) error { return watched.Watch(string(known)) }
