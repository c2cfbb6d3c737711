//go:build linux

package chaos

import (
	"context"
	"net/url"
	"time"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/locking"
)

// Lease files for processes that are to fail. Their registers are those that the
// scheme leasefile has.
const (
	lockWired       = "wired"       // the register is on the wire of the process
	lockFrozen      = "frozen"      // and the clock of the process stands still
	lockUnverified  = "unverified"  // and it is told that it has its lease, whenever it asks
	lockUnpermitted = "unpermitted" // and it is told so whenever it is about to finish a journal
)

// theWire is that of this process.
var theWire = newWire(false, false)

func init() {
	locking.RegisterBackend(lockWired, locking.LeaseBackend(func(_ context.Context, _ *url.URL, database string) (locking.Register, error) {
		return leasefile.New(theWire, database+leasefile.Suffix), nil
	}))
	for scheme, verify := range map[string]func(locking.Lock) error{
		lockFrozen:     locking.Lock.Verify,
		lockUnverified: func(locking.Lock) error { return nil },
		lockUnpermitted: func(l locking.Lock) error {
			if theWire.hasJournal() {
				return nil
			}
			return l.Verify()
		},
	} {
		locking.RegisterBackend(scheme, frozenBackend(verify))
	}
}

// A frozenLocker is that of a process whose clock stands still: it believes in its
// lease for as long as nothing else tells it better, and never thinks of renewing it.
type frozenLocker struct {
	*locking.Coordinator
	verify func(locking.Lock) error
}

// frozenTTL is what it says to others that its ttl is.
const frozenTTL = locking.MinTTL

func frozenBackend(verify func(locking.Lock) error) locking.Backend {
	return func(_ context.Context, _ *url.URL, database string, opts locking.Options) (locking.Locker, error) {
		const eternity = time.Hour // to a process that lives for seconds
		opts.TTL, opts.Renew, opts.Poll, opts.Idle, opts.Guard, opts.Timeout = eternity, eternity/2, eternity/2, eternity, 0, fencePatience
		c, err := locking.NewCoordinator(frozenRegister{leasefile.New(theWire, database+leasefile.Suffix)}, opts)
		if err != nil {
			return nil, err
		}
		return frozenLocker{c, verify}, nil
	}
}

func (l frozenLocker) NewLock() (locking.Lock, error) {
	k, err := l.Coordinator.NewLock()
	if err != nil {
		return nil, err
	}
	return frozenLock{k.(locking.SoleLock), l.verify}, nil
}

type frozenLock struct {
	locking.SoleLock
	verify func(locking.Lock) error
}

func (k frozenLock) Check() error  { return nil }
func (k frozenLock) Verify() error { return k.verify(k.SoleLock) }

// A frozenRegister keeps from others that its process has all the time in the world.
type frozenRegister struct{ locking.Register }

func (r frozenRegister) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	record, err := locking.DecodeRecord(value)
	if err != nil {
		return old, err
	}
	for i := range record.Entries {
		if e := &record.Entries[i]; e.TTL > time.Minute.Milliseconds() {
			e.TTL = frozenTTL.Milliseconds()
		}
	}
	if value, err = record.Encode(); err != nil {
		return old, err
	}
	return r.Register.CompareAndSwap(ctx, old, value)
}
