package vfstest

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/spf13/afero"
)

// A Hold says what becomes of an operation that was issued.
type Hold int

const (
	// Pass: it takes effect at once.
	Pass Hold = iota
	// Wait: its caller waits until it was let go and took effect, as on a mount
	// whose server cannot be reached.
	Wait
	// Quiet: its caller is told at once that it succeeded, as by a kernel that takes a
	// page into its cache, and does not see the effect. A sync of the same file waits
	// for what is held so. For a sync or a create it is the same as Wait.
	Quiet
	// Fail: its caller is told at once that it failed, with EIO, as on a soft mount.
	// It takes effect all the same when it is let go. A create that fails so never
	// happens.
	Fail
)

// A Held is a file system on which some operations that were issued take effect
// only when they are let go: so it is with a process that is stopped, or cut off
// from its storage, while the others go on. What is held reaches the file that was
// open then, even if it was closed or has another name since; a removal or renaming
// applies to the name. Its methods are safe for concurrent use.
type Held struct {
	afero.Fs
	pick func(Op) Hold

	mu      sync.Mutex
	n       int           // operations so far; guarded by mu
	waiting []held        // in the order in which they were issued; guarded by mu
	changed chan struct{} // closed and replaced with each one held; guarded by mu
}

type held struct {
	op     Op
	effect func()
}

// Holding returns files with a chance to hold what is issued: pick is asked about each
// create, write, truncate, sync, syncdir, remove and rename, one at a time and before
// it happens. It must not use the file system.
func Holding(files afero.Fs, pick func(Op) Hold) *Held {
	return &Held{Fs: files, pick: pick, changed: make(chan struct{})}
}

// Release lets everything go that is held now, in the order in which it was issued,
// and returns it.
func (h *Held) Release() []Op {
	h.mu.Lock()
	waiting := h.waiting
	h.waiting = nil
	h.mu.Unlock()
	ops := make([]Op, 0, len(waiting))
	for _, w := range waiting {
		w.effect()
		ops = append(ops, w.op)
	}
	return ops
}

// Pending returns what is held, in the order in which it was issued.
func (h *Held) Pending() []Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	ops := make([]Op, 0, len(h.waiting))
	for _, w := range h.waiting {
		ops = append(ops, w.op)
	}
	return ops
}

// Await returns once n operations are held, or with the cause of ctx when that ends.
func (h *Held) Await(ctx context.Context, n int) error {
	for {
		h.mu.Lock()
		enough, changed := len(h.waiting) >= n, h.changed
		h.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// issue has effect happen, now or later. quiet is what Quiet means for it.
func (h *Held) issue(op Op, quiet Hold, effect func() error) error {
	h.mu.Lock()
	h.n++
	op.N = h.n
	hold := h.pick(op)
	if hold == Pass {
		h.mu.Unlock()
		return effect()
	}
	if hold == Quiet {
		hold = quiet
	}
	if hold == Fail && op.Kind == "create" {
		h.mu.Unlock()
		return fail(op.Kind, op.Name, syscall.EIO)
	}
	done := make(chan error, 1)
	h.waiting = append(h.waiting, held{op, func() { done <- effect() }})
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	switch hold {
	case Quiet:
		return nil
	case Fail:
		return fail(op.Kind, op.Name, syscall.EIO)
	}
	return <-done
}

// Name returns "vfstest.Held over" and what it is over.
func (h *Held) Name() string { return "vfstest.Held over " + h.Fs.Name() }

// OpenFile opens or creates a file.
func (h *Held) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	var file afero.File
	open := func() (err error) { file, err = h.Fs.OpenFile(name, flag, perm); return err }
	var err error
	if flag&os.O_CREATE == 0 {
		err = open()
	} else if _, missing := h.Fs.Stat(name); missing == nil && flag&os.O_EXCL == 0 {
		err = open()
	} else {
		err = h.issue(Op{Kind: "create", Name: name}, Wait, open)
	}
	if err != nil {
		return nil, err
	}
	f := &heldFile{File: file, fs: h}
	f.landed.L = &f.mu
	return f, nil
}

// Open opens a file to read it.
func (h *Held) Open(name string) (afero.File, error) { return h.OpenFile(name, os.O_RDONLY, 0) }

// Create creates or empties a file.
func (h *Held) Create(name string) (afero.File, error) {
	return h.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0666)
}

// Remove removes a file.
func (h *Held) Remove(name string) error {
	return h.issue(Op{Kind: "remove", Name: name}, Quiet, func() error { return h.Fs.Remove(name) })
}

// Rename gives a file another name.
func (h *Held) Rename(from, to string) error {
	return h.issue(Op{Kind: "rename", Name: from}, Quiet, func() error { return h.Fs.Rename(from, to) })
}

// A heldFile stays open for as long as something that was issued on it is held.
type heldFile struct {
	afero.File
	fs *Held

	mu     sync.Mutex
	landed sync.Cond // when issued falls
	issued int       // writes that are on their way; guarded by mu
	closed bool      // guarded by mu
}

func (f *heldFile) issue(op Op, quiet Hold, effect func() error) error {
	f.mu.Lock()
	f.issued++
	f.mu.Unlock()
	return f.fs.issue(op, quiet, func() error {
		err := effect()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.issued--
		f.landed.Broadcast()
		if f.closed && f.issued == 0 {
			f.File.Close()
		}
		return err
	})
}

func (f *heldFile) WriteAt(p []byte, off int64) (n int, err error) {
	own := append([]byte(nil), p...) // the caller's may change before it takes effect
	n = len(p)
	err = f.issue(Op{Kind: "write", Name: f.Name(), Size: len(p)}, Quiet, func() (err error) {
		_, err = f.File.WriteAt(own, off)
		return err
	})
	if err != nil {
		n = 0
	}
	return n, err
}

func (f *heldFile) Truncate(size int64) error {
	return f.issue(Op{Kind: "truncate", Name: f.Name()}, Quiet, func() error { return f.File.Truncate(size) })
}

func (f *heldFile) Sync() error {
	kind := "sync"
	if info, err := f.File.Stat(); err == nil && info.IsDir() {
		kind = "syncdir"
	}
	f.mu.Lock()
	for f.issued > 0 {
		f.landed.Wait()
	}
	f.mu.Unlock()
	return f.issue(Op{Kind: kind, Name: f.Name()}, Wait, f.File.Sync)
}

func (f *heldFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.issued > 0 {
		return nil
	}
	return f.File.Close()
}
