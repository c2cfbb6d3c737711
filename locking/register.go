package locking

import "context"

// A Version names one state of a register. It is opaque: two versions are only
// ever compared for equality.
type Version string

// Unused is the version of a register that was never written.
const Unused Version = ""

// MaxValue is the size in bytes up to which a [Register] must store a value.
const MaxValue = 64 << 10

// A Register is one small cell that every process opening a database shares.
// Its methods are safe for concurrent use, obey their context where the storage
// lets them, and never wait for a holder to leave. Package locktest checks each
// rule below; a backend passes all of them.
//
//   - Fresh: Read returns what was there at some moment after the call began.
//   - Atomic: of all swaps from one version, at most one takes effect.
//   - Whole: Read returns a value exactly as it was written, never a part of it.
//   - Monotonic: a version never comes back, not after a delete or a restart.
//   - Doubt: if it is unknown whether a swap took effect the error is [ErrDoubt]
//     and never [ErrConflict]; a swap in doubt may take effect later, and
//     repeating it is safe.
//   - Bounded: a value of up to [MaxValue] bytes is stored; a larger one is
//     refused before anything changed.
type Register interface {
	// Read returns the present value and its version. A register that was never
	// written has the version [Unused] and no value; that is not an error.
	// It returns [ErrForeign] when something else lies where the register should.
	Read(ctx context.Context) (value []byte, version Version, err error)

	// CompareAndSwap replaces the value if the present version is old, and returns
	// the new version. Otherwise nothing changes and it returns [ErrConflict].
	// With [Unused] it creates the register.
	CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error)
}

// A Watcher is a [Register] that can tell of changes sooner than polling would.
type Watcher interface {
	Register

	// Watch returns nil when the version may be other than known, which may be at
	// once and may be wrong, and an error when ctx ends or watching does not work
	// here; the caller then polls.
	Watch(ctx context.Context, known Version) error
}
