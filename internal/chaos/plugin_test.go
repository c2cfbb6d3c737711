//go:build linux

package chaos

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/testservers"
	_ "github.com/holdfastdb/holdfast/wasmplugins"
)

// pluginLock is a lock in the keeping of a plugin, for the processes of a test too.
func pluginLock(t *testing.T) remoteLock {
	file, err := filepath.Abs("../../wasmplugins/guests/dir/dir.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) string {
		return (&url.URL{Scheme: "wasm", Path: file, RawQuery: url.Values{"dir": {filepath.Dir(path)}}.Encode()}).String()
	}
}

// What holds for a lease file in a storm holds for a register that a plugin keeps.
func TestStormOverPlugin(t *testing.T) {
	path, lock := database(t), pluginLock(t)
	remote.Store(path, lock)
	length := 3 * time.Second
	if testservers.Wanted() {
		length = 20 * time.Second
	}
	outcomes, lost := weather(t, path, lock(path), 4, length, demand{least: 1, total: 20})
	t.Logf("%v, %d were lost", outcomes, lost)
}

// And so does the fence: a holder is stopped at any moment, and wakes up at another.
func TestFenceOverPlugin(t *testing.T) {
	testservers.Need(t)
	_, seed := choices(t)
	s := &season{t: t, remote: pluginLock(t), ttl: time.Second}
	err := s.play(games(seed, 2, 6, []kind{kindStopped}, journalModes...), time.Now().Add(3*time.Minute))
	s.report()
	if err != nil {
		t.Fatal(err)
	}
	if s.total("transactions: "+outcomeOK) == 0 {
		t.Error("nobody committed")
	}
}
