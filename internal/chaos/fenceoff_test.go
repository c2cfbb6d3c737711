//go:build linux

package chaos

import (
	"bytes"
	"os"
	"testing"
)

// With synchronous=OFF SQLite counts no records in a journal's header, which means
// that all count that are found: half a record too, of which the number, the sum of
// a few of its bytes and not the rest have arrived. That must not be so over a fence.
func TestUnsyncedRecordsDoNotCount(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"off", "0", "normal", "full"} {
		path := database(t)
		a := startAgent(t, leased(path, "_pragma", spill, "_pragma", "synchronous("+how+")"))
		a.exec(`CREATE TABLE filler (b)`)
		a.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300) INSERT INTO filler SELECT zeroblob(1000) FROM n`)
		a.must("begin", "")
		a.exec(`UPDATE filler SET b = randomblob(1000)`)
		journal, err := os.ReadFile(path + "-journal")
		if err != nil || len(journal) < 28 {
			t.Fatalf("synchronous=%s: a journal of %d bytes: %v", how, len(journal), err)
		}
		if count := journal[8:12]; bytes.Equal(count, []byte{0xff, 0xff, 0xff, 0xff}) {
			t.Errorf("synchronous=%s: whatever is found in the journal counts", how)
		}
		a.must("rollback", "")
		a.must("close", "")
	}
}
