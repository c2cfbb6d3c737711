package wasmplugins

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// inMemory returns a register of each kind in memory: native, and kept by one instance of
// a plugin.
func inMemory(b *testing.B) map[string]locking.Register {
	p, err := Load(b.Context(), Options{Path: built(b, "testdata/cell")})
	if err != nil {
		b.Fatal(err)
	}
	r, err := p.register(b.Context(), "/app.db", 1)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		r.Close()
		p.Close()
	})
	return map[string]locking.Register{"native": memory.New(), "plugin": r}
}

// What a call into a plugin costs beyond a native one: compare the two.
func BenchmarkCall(b *testing.B) {
	registers := inMemory(b)
	value := make([]byte, 400) // as long as a usual record
	for _, name := range []string{"native", "plugin"} {
		r := registers[name]
		b.Run("read/"+name, func(b *testing.B) {
			if _, version, _ := r.Read(b.Context()); version == locking.Unused {
				if _, err := r.CompareAndSwap(b.Context(), locking.Unused, value); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, _, err := r.Read(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("swap/"+name, func(b *testing.B) {
			_, version, err := r.Read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if version, err = r.CompareAndSwap(b.Context(), version, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The same of the least that a plugin can be: an export that returns a constant.
func BenchmarkLeastCall(b *testing.B) {
	r, err := opened(b, plain())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := r.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// Commits of one row, fenced, so that each reads the register once.
func BenchmarkCommit(b *testing.B) {
	registers := inMemory(b)
	for _, name := range []string{"native", "plugin"} {
		b.Run(name, func(b *testing.B) { benchmarkCommit(b, registers[name]) })
	}
}

func benchmarkCommit(b *testing.B, r locking.Register) {
	const name = "wasmplugins-bench"
	sqlitevfs.Register(name, vfs.New(nil, func(_ context.Context, _ string, _ url.Values, storage locking.Storage) (locking.Locker, error) {
		return locking.NewCoordinator(unclosed{r}, locking.Options{Storage: storage})
	}))
	defer sqlitevfs.Unregister(name)
	conn, err := sqlite3.Open("file:" + filepath.Join(b.TempDir(), "app.db") + "?vfs=" + name)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec("CREATE TABLE t(x)"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := conn.Exec("INSERT INTO t VALUES (1)"); err != nil {
			b.Fatal(err)
		}
	}
}

// An unclosed register outlives the database that it is for.
type unclosed struct{ locking.Register }

// How long it takes until a plugin can be asked, with the compilation cache warm.
func BenchmarkLoad(b *testing.B) {
	path := built(b, "testdata/cell")
	for b.Loop() {
		p, err := Load(b.Context(), Options{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		r, err := p.Register(b.Context(), "/app.db")
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
		p.Close()
	}
}
