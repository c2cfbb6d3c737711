package wasmplugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/locking"
)

// A Register is a lock's cell in the keeping of a plugin.
type Register struct {
	plugin *Plugin
	pool   *pool
	owned  *Plugin // is closed with it; nil if it is somebody else's
}

var _ locking.Register = (*Register)(nil)

const (
	mostVersion = 1 << 10
	mostRead    = 4 + mostVersion + locking.MaxValue
)

// Register opens a plugin as the lock of a database, which is to be closed. It returns an
// [ErrInvalid] if the plugin refuses its configuration.
func (p *Plugin) Register(ctx context.Context, database string) (*Register, error) {
	return p.register(ctx, database, mostInstances)
}

func (p *Plugin) register(ctx context.Context, database string, instances int) (*Register, error) {
	if !p.IsLock() {
		return nil, fmt.Errorf("wasmplugins: %s: %w: it is a file system and no lock", p.name, ErrModule)
	}
	s, err := newPool(ctx, p, database, instances)
	if err != nil {
		return nil, fmt.Errorf("wasmplugins: %s: open: %w", p.name, err)
	}
	return &Register{plugin: p, pool: s}, nil
}

// String returns the lock URL of the register. There is no secret in it.
func (r *Register) String() string { return r.plugin.options.String() }

// Close ends what the plugin does for the register, and frees it. It returns an error if a
// call does not come back within the time of one, and then frees nothing that it may use.
func (r *Register) Close() error {
	if err := r.pool.close(); err != nil {
		return r.told("close", err)
	}
	return r.owned.Close()
}

// Read returns the present value and version. Besides those of [locking.Register] its
// errors are [ErrBroken], and what the plugin said.
func (r *Register) Read(ctx context.Context) (value []byte, version locking.Version, err error) {
	err = r.pool.use(ctx, func(i *Instance) error {
		reply, err := i.call(ctx, exportRead, mostRead, nil)
		if err != nil {
			return err
		}
		value, version, err = splitRead(reply)
		if err != nil {
			i.close(err)
			return i.broke(exportRead, err)
		}
		return nil
	})
	if err != nil {
		return nil, locking.Unused, r.told("read", readError(err))
	}
	return value, version, nil
}

func splitRead(reply []byte) (value []byte, version locking.Version, err error) {
	if len(reply) < 4 {
		return nil, "", errors.New("it returned no version")
	}
	n := binary.LittleEndian.Uint32(reply)
	if n > mostVersion || int(n) > len(reply)-4 {
		return nil, "", fmt.Errorf("it returned a version of %d bytes", n)
	}
	version, value = locking.Version(reply[4:4+n]), reply[4+n:]
	switch {
	case len(value) > locking.MaxValue:
		return nil, "", fmt.Errorf("it returned a value of %d bytes", len(value))
	case version == locking.Unused && len(value) > 0:
		return nil, "", errors.New("it returned a value that has no version")
	case version == locking.Unused:
		value = nil
	}
	return value, version, nil
}

// CompareAndSwap replaces the value if the present version is old. An instance that broke in
// the middle of it leaves [locking.ErrDoubt].
func (r *Register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (version locking.Version, err error) {
	if len(value) > locking.MaxValue || len(old) > mostVersion {
		return locking.Unused, fmt.Errorf("wasmplugins: %s: swap: value of %d bytes is larger than %d", r.plugin.name, len(value), locking.MaxValue)
	}
	begun := false
	err = r.pool.use(ctx, func(i *Instance) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		begun = true
		reply, err := i.call(ctx, exportSwap, mostVersion, [][]byte{[]byte(old), value}, uint64(len(old)), uint64(len(value)))
		if err == nil && len(reply) == 0 {
			err = errors.New("it returned no version")
			i.close(err)
			err = i.broke(exportSwap, err)
		}
		version = locking.Version(reply)
		return err
	})
	if err != nil {
		return locking.Unused, r.told("swap", swapError(begun, err))
	}
	return version, nil
}

// readError is the error of what changes nothing. An instance that broke in it is no reason
// to give up: the next one may answer.
func readError(err error) error {
	if errors.Is(err, ErrBroken) {
		return fmt.Errorf("%w: %w", locking.ErrUnreachable, err)
	}
	return err
}

// swapError is the error of a swap: without an answer that says otherwise it may have taken
// effect.
func swapError(begun bool, err error) error {
	if !begun {
		return readError(err)
	}
	f := new(failure)
	if errors.As(err, &f) {
		switch f.code {
		case codeConflict, codeDoubt, codeUnreachable, codeForeign, codeInvalid, codeDenied, codeDamaged, codeNoSpace, codeReadOnly:
			return err
		}
	}
	return fmt.Errorf("%w: %w", locking.ErrDoubt, err)
}

// Watched returns the register as a [locking.Watcher] if the plugin can watch, and else as
// it is.
func (r *Register) Watched() locking.Register {
	if r.plugin.code.ExportedFunctions()[exportWatch] == nil {
		return r
	}
	return watched{r}
}

type watched struct{ *Register }

// Watch returns when the version may be other than known.
func (r watched) Watch(ctx context.Context, known locking.Version) error {
	err := r.pool.use(ctx, func(i *Instance) error {
		_, err := i.call(ctx, exportWatch, 0, [][]byte{[]byte(known)}, uint64(len(known)))
		return err
	})
	return r.told("watch", readError(err))
}

// told names the plugin and what was asked of it.
func (r *Register) told(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("wasmplugins: %s: %s: %w", r.plugin.name, what, err)
}

// IsLock reports whether a plugin brings a lock.
func (p *Plugin) IsLock() bool { return has(p.code.ExportedFunctions(), everyLock) }

// IsFS reports whether a plugin brings a file system.
func (p *Plugin) IsFS() bool { return has(p.code.ExportedFunctions(), everyFS) }
