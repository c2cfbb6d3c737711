package fence

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header returns the header of a segment in a sector of its own.
func header(records, sector, page uint32) string {
	b := make([]byte, max(sector, headerSize))
	copy(b, journalMagic)
	binary.BigEndian.PutUint32(b[8:], records)
	binary.BigEndian.PutUint32(b[12:], 0x6e6f6e63)
	binary.BigEndian.PutUint32(b[16:], 9)
	binary.BigEndian.PutUint32(b[20:], sector)
	binary.BigEndian.PutUint32(b[24:], page)
	return string(b)
}

func superName(name string) string {
	var sum uint32
	for _, c := range []byte(name) {
		sum += uint32(c)
	}
	number := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	return number(0x1234) + name + number(uint32(len(name))) + number(sum) + journalMagic
}

// What is copied of a journal: all that SQLite would read of it, and nothing that it
// could take for more.
func TestCopyOfJournals(t *testing.T) {
	records := func(n int) string { return strings.Repeat("r", n*(512+recordExtra)) }
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	first := header(1, 512, 512)
	gap := 1536 - 512 - 520 // from the first segment to the sector of the next
	for _, row := range []struct {
		name, journal, want string
	}{
		{"empty", "", "none"},
		{"ended by zeros", zeros(28) + first[28:] + records(1), "none"},
		{"not synced yet", zeros(12) + first[12:] + records(1), "none"},
		{"no sector size", header(1, 0, 512) + records(1), "none"},
		{"odd page size", header(1, 512, 600) + records(1), "none"},
		{"cut in its header", first[:20], "none"},
		{"cut in its sector", first[:100], "none"},
		{"no records", header(0, 512, 512), header(0, 512, 512)},
		{"one segment", first + records(1), first + records(1)},
		{"cut in its records", header(2, 512, 512) + records(1), header(2, 512, 512) + records(1)},
		{"two segments", first + records(1) + zeros(gap) + first + records(1), first + records(1) + zeros(gap) + first + records(1)},
		{"an empty one between", header(0, 512, 512) + first + records(1), header(0, 512, 512) + first + records(1)},
		{"one that is not synced", first + records(1) + zeros(gap+12) + first[12:] + records(1), first + records(1) + zeros(gap+512+520)},
		{"one that does not follow", first + records(1) + "x" + first + records(1), first + records(1) + zeros(1+512+520)},
		{"records to the end", header(toTheEnd, 512, 512) + records(3) + "rr", header(toTheEnd, 512, 512) + records(3) + "rr"},
		{"more records than fit", header(toTheEnd-1, 1<<16, 1<<16) + "rr", header(toTheEnd-1, 1<<16, 1<<16) + "rr"},
		{"a super-journal", first + records(1) + superName("/db-mj1234"), first + records(1) + superName("/db-mj1234")},
		{"a super-journal in a sector", first + records(1) + "waste" + superName("/db-mj1234"), first + records(1) + zeros(5) + superName("/db-mj1234")},
		{"a super-journal without a name", first + records(1) + "waste" + superName(""), first + records(1) + zeros(5+20)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(disk{"app.db": {1, "database"}, "app.db-journal": {2, row.journal}})
			if err := Copy(t.Context(), s, "app.db", "copy", nil); err != nil {
				t.Fatal(err)
			}
			got := "none"
			if n, there := s.copies["copy-journal"]; there {
				got = n.data
			}
			if diff := cmp.Diff([]byte(row.want), []byte(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Any bytes may be found under the name of a journal.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(header(1, 512, 512) + strings.Repeat("r", 520) + superName("/db-mj1")))
	f.Add([]byte(header(toTheEnd, 32, 512) + strings.Repeat("r", 1000)))
	f.Add([]byte(header(0, 32, 512) + header(0, 32, 512)))
	f.Fuzz(func(t *testing.T, journal []byte) {
		s := newStage(disk{"app.db": {1, "database"}, "app.db-journal": {2, string(journal)}})
		if err := Copy(t.Context(), s, "app.db", "copy", nil); err != nil {
			t.Fatal(err)
		}
		if got := len(s.copies["copy-journal"].data); got > len(journal) {
			t.Errorf("a journal of %d bytes became one of %d", len(journal), got)
		}
	})
}

func TestSpoilt(t *testing.T) {
	header := func(s string) (h [32]byte) { copy(h[:], s); return h }
	none := Trace{}
	one, same, other := Trace{true, 1, header("a")}, Trace{true, 2, header("a")}, Trace{true, 1, header("b")}
	rest := Trace{There: true}
	for _, row := range []struct {
		name          string
		before, after Mark
		want          bool
	}{
		{"nothing", Mark{}, Mark{}, false},
		{"a journal stays", Mark{Journal: one}, Mark{Journal: one}, false},
		{"a journal begins", Mark{}, Mark{Journal: one}, false},
		{"a journal ends", Mark{Journal: one}, Mark{}, true},
		{"another begins", Mark{Journal: one}, Mark{Journal: other}, true},
		{"another file", Mark{Journal: one}, Mark{Journal: same}, true},
		{"a kept journal stays", Mark{Journal: rest}, Mark{Journal: rest}, false},
		{"a kept journal begins", Mark{Journal: rest}, Mark{Journal: one}, true},
		{"a WAL stays", Mark{none, one}, Mark{none, one}, false},
		{"a WAL begins", Mark{}, Mark{none, one}, true},
		{"a WAL ends", Mark{none, one}, Mark{}, true},
		{"a WAL begins anew", Mark{none, one}, Mark{none, other}, true},
	} {
		if got := row.before.Spoilt(row.after); got != row.want {
			t.Errorf("%s: spoilt %v, want %v", row.name, got, row.want)
		}
	}
}
