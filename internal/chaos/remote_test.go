//go:build linux

package chaos

import (
	"context"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/internal/testservers/locks"
	"github.com/holdfastdb/holdfast/locking"
)

// A remoteLock makes the lock URL of a database whose register is a server's.
type remoteLock func(path string) string

// remote has the databases with such a lock, by path.
var remote sync.Map

// file returns the base name of the file that is the database, or "" for the plain name.
func (lock remoteLock) file(path string) string {
	u, err := url.Parse(lock(path))
	if err != nil {
		panic(err) // we made it
	}
	open, err := locking.FindBackend(u.Scheme)
	if err != nil {
		panic(err)
	}
	l, err := open(context.Background(), u, path, locking.Options{})
	if err != nil {
		return err.Error()
	}
	defer l.Close(context.Background())
	current, err := l.Current(context.Background())
	if err != nil {
		return err.Error()
	}
	return current.File
}

// remoteLocks are one for each kind of server, for the processes of a test too.
func remoteLocks(t *testing.T) map[string]remoteLock {
	return map[string]remoteLock{"s3": s3Lock(t), "k8s": kubeLock(t)}
}

func s3Lock(t *testing.T) remoteLock {
	s := testservers.Shared(t, testservers.Versitygw)
	lock, err := locks.S3(t.Context(), s, s.URL())
	return useLock(t, lock, err)
}

func kubeLock(t *testing.T) remoteLock {
	s := testservers.Shared(t, testservers.Kube)
	lock, err := locks.Kube(s, s.URL(), filepath.Join(t.TempDir(), "kubeconfig"))
	return useLock(t, lock, err)
}

// useLock sets the environment, which the processes of a test inherit.
func useLock(t *testing.T, lock locks.Lock, err error) remoteLock {
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range lock.Env {
		t.Setenv(name, value)
	}
	return lock.URL
}

// What holds for a lease file in a storm holds for a register that a server keeps.
func TestStormOverRemoteLocks(t *testing.T) {
	testservers.Need(t)
	for name, lock := range remoteLocks(t) {
		t.Run(name, func(t *testing.T) {
			path := database(t)
			remote.Store(path, lock)
			weather(t, path, lock(path), 8, 20*time.Second, demand{least: 1, total: 100, losses: 1})
		})
	}
}

// And so does the fence: a holder is stopped at any moment, and wakes up at another.
func TestFenceOverRemoteLocks(t *testing.T) {
	testservers.Need(t)
	_, seed := choices(t)
	for name, lock := range remoteLocks(t) {
		t.Run(name, func(t *testing.T) {
			s := &season{t: t, remote: lock, ttl: time.Second}
			err := s.play(games(seed, 2, 6, []kind{kindStopped}, journalModes...), time.Now().Add(3*time.Minute))
			s.report()
			if err != nil {
				t.Fatal(err)
			}
			if s.total("transactions: "+outcomeOK) == 0 {
				t.Error("nobody committed")
			}
		})
	}
}
