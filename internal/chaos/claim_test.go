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
	a, b := startAgent(t, leased(path)), startAgent(t, leased(path, "_pragma", "busy_timeout(5000)"))
	a.exec(`CREATE TABLE t (x)`)
	a.must("begin", "")
	a.exec(`INSERT INTO t VALUES (1)`)
	b.value(`SELECT count(*) FROM t`) // lets b in: a has EXCLUSIVE while it is alone, and steps down after its turn
	for _, how := range []string{"first", "second"} {
		if r := b.do(request{Do: "exec", SQL: `INSERT INTO t VALUES (2)`}); !r.Held {
			t.Fatalf("%s write: %+v, want it held", how, r)
		}
		r := b.do(request{Do: "query", SQL: `SELECT count(*) FROM t`})
		// A claim left behind would have the read wait for the whole busy timeout.
		if r.Err != "" || r.took() > 2500*time.Millisecond {
			t.Errorf("read after the %s failed write: %q after %v", how, r.Err, r.took())
		}
	}
}
