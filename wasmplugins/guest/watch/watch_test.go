package watch

import (
	"errors"
	"testing"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

// A post is a register that notes what it was asked to watch.
type post struct {
	lock.Register
	known string
}

func (p *post) Watch(known string) error {
	p.known = known
	return guest.ErrUnreachable
}

func TestWatch(t *testing.T) {
	p := new(post)
	watched = p
	if err := watch([]byte("v1")); p.known != "v1" || !errors.Is(err, guest.ErrUnreachable) {
		t.Errorf("watch: %q, %v", p.known, err)
	}
}
