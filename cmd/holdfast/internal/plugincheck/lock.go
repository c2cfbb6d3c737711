package plugincheck

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

// silentName is the check whose calls are meant to run out of their time.
const silentName = "Silent"

// lockChecks are those of a lock: first what every register promises, then what a plugin does
// besides.
func lockChecks() (all []check) {
	for _, c := range locktest.Checks {
		run := func(ctx context.Context, s *cell) error {
			err := c.Run(ctx, s.subject(ctx))
			if err == nil && s.wire.lostBehind() {
				err = remark("no request was the swap: the plugin's own reply was lost")
			}
			return err
		}
		if c.Name == "Watch" {
			run = watched(run)
		}
		all = append(all, check{c.Name, run})
	}
	return append(all,
		check{"Instances", instances},
		check{"Largest", largest},
		check{"Memory", lockMemory},
		check{"UnknownParameter", unknownParameter},
		check{"Unreachable", unreachable},
		check{silentName, unanswered},
	)
}

// subject is the cell as package locktest wants it.
func (c *cell) subject(ctx context.Context) locktest.Subject {
	return locktest.Subject{Open: c.open, LoseReply: c.wire.loseReply, Wipe: func() error { return c.wipe(ctx) }}
}

// watched is the check of a lock that can be watched.
func watched(run func(context.Context, *cell) error) func(context.Context, *cell) error {
	return func(ctx context.Context, c *cell) error {
		r, err := c.open()
		if err != nil {
			return err
		}
		if _, ok := r.(locking.Watcher); !ok {
			return remark("it cannot be watched")
		}
		return run(ctx, c)
	}
}

// apart opens the lock in a plugin that is loaded by itself.
func (c *cell) apart(ctx context.Context, change ...func(*wasmplugins.Options)) (*register, error) {
	p, err := c.load(ctx, change...)
	if err != nil {
		return nil, err
	}
	return c.register(p)
}

// swapped swaps from what is there.
func swapped(ctx context.Context, r locking.Register, value []byte) (locking.Version, error) {
	_, old, err := r.Read(ctx)
	if err != nil {
		return old, err
	}
	return r.CompareAndSwap(ctx, old, value)
}

// shows wants to read something.
func shows(ctx context.Context, r locking.Register, version locking.Version, value []byte) error {
	got, v, err := r.Read(ctx)
	switch {
	case err != nil:
		return err
	case v != version:
		return fmt.Errorf("read version %q, want %q", v, version)
	case !bytes.Equal(got, value):
		return fmt.Errorf("read another value of %d bytes than the %d that were written", len(got), len(value))
	}
	return nil
}

// instances: what one instance wrote is there for one that begins after it has ended.
func instances(ctx context.Context, c *cell) error {
	for i := range 3 {
		first, err := c.apart(ctx)
		if err != nil {
			return err
		}
		value := fmt.Appendf(nil, "instance %d", i)
		version, err := swapped(ctx, first, value)
		if err != nil {
			return err
		}
		first.Close()
		second, err := c.apart(ctx)
		if err != nil {
			return err
		}
		if err := shows(ctx, second, version, value); err != nil {
			return fmt.Errorf("in a new instance: %w", err)
		}
	}
	return nil
}

// largest: a value of 64 KiB of any bytes goes through a plugin.
func largest(ctx context.Context, c *cell) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	value := make([]byte, locking.MaxValue)
	rand.Read(value)
	version, err := swapped(ctx, r, value)
	if err != nil {
		return err
	}
	return shows(ctx, r, version, value)
}

// Bounds of what is tried with the memory of an instance.
const (
	memoryWarm  = 50       // swaps before the first look
	memoryCalls = 1500     // swaps, and as many reads
	memoryValue = 16 << 10 // bytes of each
	memoryMost  = 12 << 20 // bytes that the instance may take more than at the first look
	memoryPart  = 0.5      // of the time of a check: then there are fewer calls
)

// lockMemory: an instance does not grow with its calls.
func lockMemory(ctx context.Context, c *cell) error {
	r, err := c.apart(ctx)
	if err != nil {
		return err
	}
	value := bytes.Repeat([]byte("memory, "), memoryValue/8)
	_, version, err := r.Read(ctx)
	if err != nil {
		return err
	}
	return c.grows(r.Memory, func(n int) error {
		value[n%memoryValue]++
		if version, err = r.CompareAndSwap(ctx, version, value); err != nil {
			return fmt.Errorf("swap %d: %w", n+1, err)
		}
		if err := shows(ctx, r, version, value); err != nil {
			return fmt.Errorf("after swap %d: %w", n+1, err)
		}
		return nil
	})
}

// grows makes calls by twos, and wants the memory to stay within its bound.
func (c *cell) grows(memory func() int64, calls func(n int) error) error {
	var warm int64
	start, n := time.Now(), 0
	for ; n < memoryCalls && time.Since(start) < time.Duration(memoryPart*float64(c.suite.Bound)); n++ {
		if err := calls(n); err != nil {
			return err
		}
		switch now := memory(); {
		case n <= memoryWarm:
			warm = now
		case now > warm+memoryMost:
			return fmt.Errorf("an instance grew from %s to %s in %d calls", size(warm), size(now), 2*(n-memoryWarm))
		}
	}
	text := fmt.Sprintf("%s after %d calls", size(memory()), 2*n)
	if n < memoryCalls {
		text += "; for more there was no time"
	}
	return remark(text)
}

func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// unknownParameter: a parameter that the plugin does not know is refused, since it may be one
// that is misspelt.
func unknownParameter(ctx context.Context, c *cell) error {
	name := "unknown-" + c.name
	p, err := c.load(ctx, func(o *wasmplugins.Options) {
		if o.Params == nil {
			o.Params = map[string][]string{}
		}
		o.Params[name] = []string{"1"}
	})
	if err != nil {
		return err
	}
	if p.IsLock() {
		_, err = c.register(p)
	} else {
		_, err = c.files(p)
	}
	if !errors.Is(err, wasmplugins.ErrInvalid) {
		return fmt.Errorf("opened with the parameter %s=1: %s; want code 5 (invalid)", name, told(err))
	}
	return nil
}

// told is an error in what went wrong.
func told(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// unreachable: without a connection reads and swaps fail, and say that it was for this; with
// one they work again.
func unreachable(ctx context.Context, c *cell) error {
	r, version, err := c.written(ctx)
	if err != nil {
		return err
	}
	if c.wire.sent() == 0 {
		return remark("it sends no HTTP requests")
	}
	c.wire.set(refuses)
	value, v, err := r.Read(ctx)
	if !errors.Is(err, locking.ErrUnreachable) {
		return fmt.Errorf("read without a connection = %d bytes of version %q, %s; want code 3 (unreachable)", len(value), v, told(err))
	}
	v, err = r.CompareAndSwap(ctx, version, []byte("cut off"))
	if !errors.Is(err, locking.ErrUnreachable) && !errors.Is(err, locking.ErrDoubt) {
		return fmt.Errorf("swap without a connection = %q, %s; want code 3 (unreachable) or 2 (doubt)", v, told(err))
	}
	c.wire.set(works)
	if err := shows(ctx, r, version, []byte("before")); err != nil {
		return fmt.Errorf("after the connection was back: %w", err)
	}
	return nil
}

// written opens the lock, and writes it once.
func (c *cell) written(ctx context.Context, change ...func(*wasmplugins.Options)) (*register, locking.Version, error) {
	r, err := c.apart(ctx, change...)
	if err != nil {
		return nil, "", err
	}
	version, err := swapped(ctx, r, []byte("before"))
	return r, version, err
}

const silentLimit = time.Second

// unanswered: when a request is not answered the call ends in its time, and a swap is one in
// doubt.
func unanswered(ctx context.Context, c *cell) error {
	_, version, err := c.written(ctx)
	if err != nil {
		return err
	}
	if c.wire.sent() == 0 {
		return remark("it sends no HTTP requests")
	}
	r, err := c.apart(ctx, func(o *wasmplugins.Options) {
		if o.Limit == 0 || o.Limit > silentLimit {
			o.Limit = silentLimit
		}
	})
	if err != nil {
		return err
	}
	c.wire.set(silent)
	start := time.Now()
	if _, v, err := r.Read(ctx); err == nil {
		return fmt.Errorf("read version %q though nobody answered", v)
	}
	if v, err := r.CompareAndSwap(ctx, version, []byte("unanswered")); !errors.Is(err, locking.ErrUnreachable) && !errors.Is(err, locking.ErrDoubt) {
		return fmt.Errorf("swap that nobody answered = %q, %s; want code 3 (unreachable) or 2 (doubt)", v, told(err))
	}
	if took := time.Since(start); took > 2*silentLimit+time.Second {
		return fmt.Errorf("a read and a swap that nobody answered took %v, of %v each", rounded(took), silentLimit)
	}
	c.wire.set(works)
	if err := shows(ctx, r, version, []byte("before")); err != nil {
		return fmt.Errorf("after it was answered again: %w", err)
	}
	return nil
}
