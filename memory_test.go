package holdfast

import (
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
)

const (
	fullSize  = 1_200_000_000 // bytes of the database
	fullBound = 64 << 20      // bytes of Go heap beyond what go-sqlite3 takes
	pageSize  = 4096
)

// Opening and scanning a database takes no memory that grows with it. By default
// the database is small, and the bound with it; HOLDFAST_REAL=1 makes both full
// size.
func TestMemoryOfScan(t *testing.T) {
	size := fullSize / 20
	if os.Getenv("HOLDFAST_REAL") == "1" {
		size = fullSize
	}
	rows := size / pageSize
	bound := uint64(fullBound / (fullSize / size))
	path := filepath.Join(t.TempDir(), "app.db")
	makeLarge(t, path, rows)
	// A heap that is collected early is about as large as what is in use.
	defer debug.SetGCPercent(debug.SetGCPercent(10))

	stock := heapOfScan(t, "sqlite3", "file:"+path, rows)
	for _, lock := range []string{"flock", "leasefile"} { // flock first: it refuses a lease
		heap := heapOfScan(t, "holdfast", "file:"+path+"?lock="+lock, rows)
		t.Logf("%s: %d KiB of heap for %d MB; go-sqlite3's own: %d KiB", lock, heap>>10, size/1e6, stock>>10)
		if heap > stock+bound {
			t.Errorf("%s: the heap grew by %d KiB, more than %d KiB beyond the %d KiB of go-sqlite3 itself",
				lock, heap>>10, bound>>10, stock>>10)
		}
	}
}

// makeLarge makes a database of one page for each row, fast.
func makeLarge(t *testing.T, path string, rows int) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, `CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)`)
	exec(t, db, `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO t SELECT i, zeroblob(4000) FROM n`, rows)
	if info, err := os.Stat(path); err != nil || info.Size() < int64(rows*pageSize) {
		t.Fatalf("made %v, %v; want %d pages", info, err, rows)
	}
}

// heapOfScan returns by how many bytes the heap grew, at most, while a database
// was opened and read from end to end.
func heapOfScan(t *testing.T, driver, name string, rows int) uint64 {
	t.Helper()
	grown := watchHeap()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := db.QueryContext(t.Context(), `SELECT id, body FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	seen := 0
	for all.Next() {
		var id int
		var body sql.RawBytes
		if err := all.Scan(&id, &body); err != nil || len(body) != 4000 {
			t.Fatalf("row %d: %d bytes, %v", id, len(body), err)
		}
		seen++
	}
	if err := all.Err(); err != nil || seen != rows {
		t.Fatalf("%d rows, %v; want %d", seen, err, rows)
	}
	return grown()
}

// watchHeap looks at the size of the heap every millisecond until the function is
// called that it returns, which tells how much it grew.
func watchHeap() (grown func() uint64) {
	runtime.GC()
	base := heapSize()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		largest := base
		for {
			select {
			case <-time.After(time.Millisecond):
				largest = max(largest, heapSize())
			case <-stop:
				peak <- max(largest, heapSize())
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak - base
	}
}

func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
