package leasefile

import (
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// To a reader for whom each call takes longer than others take to swap, the register is
// not damaged. It reads once they pause.
func TestReaderThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "app.db.lease")
		near := New(afero.NewOsFs(), dir)
		version := mustSwap(t, near, locking.Unused, "first")
		busy := true
		far := New(&hookFs{Fs: afero.NewOsFs(), before: func(c call) error {
			if busy && c.op == "open" && filepath.Ext(c.path) == valueSuffix {
				version = mustSwap(t, near, version, "next")
			}
			return nil
		}}, dir)
		_, _, err := far.Read(t.Context())
		checkLine(t, err, locking.ErrUnreachable, "changes faster than it can be read", dir)
		busy = false
		if value, at, err := far.Read(t.Context()); string(value) != "next" || at != version || err != nil {
			t.Errorf("read = %q at %q, %v", value, at, err)
		}
	})
}
