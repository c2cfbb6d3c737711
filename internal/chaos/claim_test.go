//go:build linux

package chaos

import (
	"testing"
	"time"
)

// Who could not write can still read: a writer beside it keeps nobody from that.
func TestReadAfterFailedWrite(t *testing.T) {
	t.Parallel()
	path := database(t)
	a, b := startAgent(t, leased(path)), startAgent(t, leased(path, "_pragma", "busy_timeout(500)"))
	a.exec(`CREATE TABLE t (x)`)
	a.must("begin", "")
	a.exec(`INSERT INTO t VALUES (1)`)
	for _, how := range []string{"first", "second"} {
		if r := b.do(request{Do: "exec", SQL: `INSERT INTO t VALUES (2)`}); !r.Held {
			t.Fatalf("%s write: %+v, want it held", how, r)
		}
		r := b.do(request{Do: "query", SQL: `SELECT count(*) FROM t`})
		if r.Err != "" || r.took() > 300*time.Millisecond {
			t.Errorf("read after the %s failed write: %q after %v", how, r.Err, r.took())
		}
	}
}
