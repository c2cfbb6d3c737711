package guests

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

// mpms are how Apache spreads requests: over processes, and over threads of them.
var mpms = []string{"prefork", "event"}

func TestWebDAVConformanceOfApache(t *testing.T) {
	testservers.Need(t)
	for _, mpm := range mpms {
		t.Run(mpm, func(t *testing.T) {
			locktest.RunInRealTime(t, webdavSubjects(testservers.Shared(t, testservers.Apache(mpm))))
		})
	}
}

// Many who swap from one version at once, for long: one of them wins each time.
func TestWebDAVWinners(t *testing.T) {
	testservers.Need(t)
	const racers, rounds = 6, 60
	for _, mpm := range mpms {
		t.Run(mpm, func(t *testing.T) {
			s := testservers.Shared(t, testservers.Apache(mpm))
			u := webdavURL(t, s.URL(), "/locks/"+rand.Text())
			openers := make([]locking.Register, racers)
			for i := range openers {
				openers[i] = mustOpen(t, u)
			}
			version := locking.Unused
			for round := range rounds {
				version = oneWinner(t, openers, version, round)
			}
		})
	}
}

// oneWinner has all swap from old, and returns the version of whoever did.
func oneWinner(t *testing.T, openers []locking.Register, old locking.Version, round int) locking.Version {
	t.Helper()
	won, errs := make([]locking.Version, len(openers)), make([]error, len(openers))
	var wg sync.WaitGroup
	for i, r := range openers {
		wg.Go(func() { won[i], errs[i] = r.CompareAndSwap(t.Context(), old, fmt.Appendf(nil, "%d %d", round, i)) })
	}
	wg.Wait()
	winners, next := 0, locking.Unused
	for i := range openers {
		if errs[i] == nil {
			winners++
			next = won[i]
		} else if !errors.Is(errs[i], locking.ErrConflict) {
			t.Fatal(errs[i])
		}
	}
	_, present, err := openers[0].Read(t.Context())
	if winners != 1 || present != next || err != nil {
		t.Fatalf("round %d: %d swaps from %q took effect; read %q, %v; want one, and its version %q", round, winners, old, present, err, next)
	}
	return next
}

// A proxy that sends a write twice makes no conflict of a success.
func TestWebDAVWriteSentTwice(t *testing.T) {
	testservers.Need(t)
	w := webdavWire()
	r := mustOpen(t, webdavURL(t, behind(t, testservers.Shared(t, testservers.Apache("event")).URL(), w), "/locks/"+rand.Text()))
	version := locking.Unused
	for i := range 3 {
		w.Next(testservers.Twice(func() {}))
		version = mustSwap(t, r, version, fmt.Sprint(i))
	}
	if value, present, err := r.Read(t.Context()); string(value) != "2" || present != version || err != nil {
		t.Errorf("read %q, %q, %v", value, present, err)
	}
}

func webdavURL(t testing.TB, server, path string, more ...string) *url.URL {
	return pluginURL(t, "webdav", append([]string{"allow", server, "url", server + path}, more...)...)
}

func webdavWire() *testservers.Wire {
	return &testservers.Wire{Concerns: func(req *http.Request) bool { return req.Method == "MOVE" }}
}

func webdavSubjects(s *testservers.Server) func(testing.TB) locktest.Subject {
	return func(t testing.TB) locktest.Subject {
		w := webdavWire()
		name := filepath.Base(t.Name()) + "-" + rand.Text() + ".lease"
		u := webdavURL(t, behind(t, s.URL(), w), "/locks/"+name)
		return locktest.Subject{
			Open:      func() (locking.Register, error) { return opened(t, u) },
			LoseReply: func() { w.Next(testservers.LoseReply) },
			Wipe:      func() error { return os.RemoveAll(filepath.Join(s.Docroot(), "locks", name)) },
		}
	}
}
