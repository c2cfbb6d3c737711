package flock

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfastdb/holdfast/locking"
)

func TestScheme(t *testing.T) {
	backend, err := locking.FindBackend("flock")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"flock:", true},
		{"flock://", true},
		{"flock:///elsewhere/app.db", false},
		{"flock://host", false},
		{"flock:app.db", false},
		{"flock:?dir=x", false},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		l, err := backend(context.Background(), u, newDatabase(t), locking.Options{})
		if (err == nil) != tt.ok {
			t.Errorf("%q: error %v, want none: %v", tt.url, err, tt.ok)
		}
		if err == nil && l.Grade() != locking.GradeKernel {
			t.Errorf("%q: grade %v", tt.url, l.Grade())
		}
	}
}

func TestRefusesLease(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database)
	if err := os.Mkdir(database+".lease", 0o700); err != nil {
		t.Fatal(err)
	}
	_, newErr := New(database)
	_, lockErr := l.NewLock()
	for what, err := range map[string]error{"New": newErr, "NewLock": lockErr} {
		if err == nil || !strings.Contains(err.Error(), "lock=leasefile") || !strings.Contains(err.Error(), database+".lease") {
			t.Errorf("%s beside a lease register: %v, want an error that names it and the remedy", what, err)
		}
	}
}

// A database whose lease lies elsewhere has a marker beside it, which says where.
func TestRefusesMarker(t *testing.T) {
	for text, named := range map[string]string{
		`{"holdfast":1,"register":"ab","lock":"leasefile:///elsewhere/app.db.lease"}`: "lock=leasefile:///elsewhere/app.db.lease,",
		"damaged": "with a lease,",
	} {
		database := newDatabase(t)
		l := newLocker(t, database)
		if err := os.WriteFile(database+".holdfast", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, newErr := New(database)
		_, lockErr := l.NewLock()
		for what, err := range map[string]error{"New": newErr, "NewLock": lockErr} {
			if err == nil || !strings.Contains(err.Error(), named) || !strings.Contains(err.Error(), database+".holdfast") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s beside the marker %s: %v, want an error that names it and the remedy", what, text, err)
			}
		}
	}
}

// The file is opened as late as it is made.
func TestFileMadeLater(t *testing.T) {
	database := filepath.Join(t.TempDir(), "app.db")
	l := newLocker(t, database)
	k := newLock(t, l)
	if err := k.Lock(context.Background(), shared, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock without a file: %v, want %v", err, fs.ErrNotExist)
	}
	if st, err := l.Status(context.Background()); err != nil || len(st.Holders) > 0 {
		t.Errorf("status without a file: %+v, %v", st, err)
	}
	if err := os.WriteFile(database, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	climb(t, k, way[exclusive]...)
}

// Connections that are open go on with the old file; a new one would lock the new
// file and use the bytes of the old.
func TestFileReplaced(t *testing.T) {
	database := newDatabase(t)
	l := newLocker(t, database)
	k := newLock(t, l)
	other := newDatabase(t)
	if err := os.Rename(other, database); runtime.GOOS == "windows" {
		return // which lets nobody replace a file that is open
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := l.NewLock(); err == nil || !strings.Contains(err.Error(), "another file was put in its place") {
		t.Errorf("a new connection after the file was replaced: %v", err)
	}
	climb(t, k, way[exclusive]...)
	climb(t, newLock(t, newLocker(t, database)), way[exclusive]...)
}

func TestCloseGivesUp(t *testing.T) {
	database := newDatabase(t)
	l, again := newLocker(t, database), newLocker(t, database)
	held, idle, late := newLock(t, l), newLock(t, l), newLock(t, again)
	climb(t, held, way[exclusive]...)
	wantBusy(t, late.Lock(context.Background(), shared, nil))
	if err := errors.Join(held.Check(), idle.Check()); err != nil {
		t.Fatalf("before closing: %v", err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	cancel() // closing gives up what it can all the same
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	climb(t, late, way[exclusive]...)
	if err := held.Check(); !errors.Is(err, locking.ErrLost) {
		t.Errorf("a connection that held EXCLUSIVE: %v, want %v", err, locking.ErrLost)
	}
	if err := idle.Check(); err != nil {
		t.Errorf("a connection that held nothing: %v", err)
	}
	for k, want := range map[*lock]error{held: locking.ErrLost, idle: locking.ErrClosed} {
		if err := k.Lock(context.Background(), shared, nil); !errors.Is(err, want) {
			t.Errorf("lock after closing: %v, want %v", err, want)
		}
		if _, err := k.Reserved(context.Background()); !errors.Is(err, locking.ErrClosed) {
			t.Errorf("reserved after closing: %v, want %v", err, locking.ErrClosed)
		}
		if err := errors.Join(k.Unlock(none), k.Close(), k.Close()); err != nil {
			t.Errorf("unlock and close after closing: %v", err)
		}
	}
	if _, err := l.NewLock(); !errors.Is(err, locking.ErrClosed) {
		t.Errorf("a new lock after closing: %v, want %v", err, locking.ErrClosed)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestCloseForgets(t *testing.T) {
	l := newLocker(t, newDatabase(t)).(*locker)
	for range 100 {
		k := newLock(t, l)
		climb(t, k, way[exclusive]...)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.locks); n != 0 {
		t.Errorf("%d locks are kept after they were closed", n)
	}
}

func TestCloseEndsWait(t *testing.T) {
	database := newDatabase(t)
	synctest.Test(t, func(t *testing.T) {
		l, again := newLocker(t, database), newLocker(t, database)
		climb(t, newLock(t, again), way[exclusive]...)
		k := newLock(t, l)
		ended := make(chan error)
		go func() { ended <- k.Lock(t.Context(), shared, func() bool { return true }) }()
		synctest.Wait()
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, locking.ErrClosed) {
			t.Errorf("a wait when the locker was closed: %v, want %v", err, locking.ErrClosed)
		}
	})
}

// A system call that hangs is given up after the bound, and told.
func TestCloseBounded(t *testing.T) {
	database := newDatabase(t)
	synctest.Test(t, func(t *testing.T) {
		l, err := New(database)
		if err != nil {
			t.Fatal(err)
		}
		hangs, free := newLock(t, l), newLock(t, l)
		climb(t, free, shared)
		hangs.begin()
		if err := l.Close(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v, want %v", err, context.DeadlineExceeded)
		}
		if free.Level() != none {
			t.Errorf("the other connection is still at %v", free.Level())
		}
		hangs.done()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
