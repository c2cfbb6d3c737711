package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A closable register notes when it is closed, and what is asked of it afterwards.
type closable struct {
	cell
	closed bool
}

func (c *closable) Close() error {
	c.closed = true
	c.setFault(func(string) (error, error) { return errors.New("used after it was closed"), nil })
	return nil
}

// A register that can be closed is closed with the Coordinator, after its last use.
func TestRegisterIsClosedLast(t *testing.T) {
	for _, held := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			reg := new(closable)
			c, err := NewCoordinator(reg, Options{TTL: 10 * time.Second})
			must(t, err)
			l, err := c.NewLock()
			must(t, err)
			must(t, l.Lock(t.Context(), Shared, nil))
			if !held {
				must(t, l.Unlock(None))
			}
			if reg.closed {
				t.Error("it is closed while it is in use")
			}
			if err := c.Close(t.Context()); held != (err != nil) {
				t.Errorf("held: %v; Close: %v", held, err)
			}
			if !reg.closed {
				t.Error("it is not closed")
			}
		})
	}
}
