package flock

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/holdfastdb/holdfast/locking"
)

func (k *lock) begin() { k.turn <- struct{}{} }
func (k *lock) done()  { <-k.turn }

// open opens the descriptor unless it is open. It is called with the turn.
func (k *lock) open() error {
	if k.file != nil {
		return nil
	}
	file, writable, err := k.locker.openFile()
	if err != nil {
		return fmt.Errorf("flock: %w", err)
	}
	if err := k.locker.checkSame(file); err != nil {
		file.Close()
		return fmt.Errorf("flock: lock %q: %w", k.locker.database, err)
	}
	k.file, k.writable = file, writable
	return nil
}

// Close implements [locking.Lock].
func (k *lock) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return k.end(ctx)
}

// end gives up the descriptor and what is held by it, which so is lost.
func (k *lock) end(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
	default:
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("flock: close %q: a connection hangs in a system call; its lock goes when the process ends: %w",
				k.locker.database, context.Cause(ctx))
		}
	}
	defer k.done()
	k.locker.forget(k)
	k.closed = true
	if k.file == nil {
		return nil
	}
	have := k.Level()
	if have != locking.None {
		k.lost.Store(true)
	}
	k.set(locking.None)
	// Closing would do, if a child process that is just being started had no copy.
	err := errors.Join(ranges{k.file}.leave(have), k.file.Close())
	k.file = nil
	return k.wrap(locking.None, err)
}

// errLocksGone means that a change of locks left the connection without any.
var errLocksGone = errors.New("the lock that was held could not be taken back")

// wrap makes an error of the system one that the user can read.
func (k *lock) wrap(level locking.Level, err error) error {
	switch {
	case errors.Is(err, errLocksGone):
		k.lost.Store(true)
		return fmt.Errorf("%w: %v", k.Check(), err) // whoever was in the way, it is no use to try again
	case err == nil, errors.Is(err, errBusy):
		return err
	}
	remedy := ""
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.EINVAL) {
		remedy = ": this file system takes no such locks: use lock=leasefile"
	}
	return fmt.Errorf("flock: lock %q at %v: %w%s", k.locker.database, level, err, remedy)
}
