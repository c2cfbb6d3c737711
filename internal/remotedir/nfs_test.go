package remotedir

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/spf13/afero"
)

// A listing on NFS shows what was there after it was asked for, however it meets with
// changes on the server and with another process of this machine that lists the
// directory, in every order of their steps.
func TestListingIsNeverOlderThanTheQuestion(t *testing.T) {
	for _, row := range []struct {
		name    string
		tells   bool // the kernel can be asked whether a page has stayed
		changes int
		steps   int // of the other process: to ask, to be answered, to have the page filled
		looks   int
	}{
		{"one listing of another process", true, 1, 3, 2},
		{"two changes", true, 2, 3, 1},
		{"two listings of another process", true, 1, 5, 1},
		{"an older kernel", false, 1, 3, 2},
		{"an older kernel, two listings of another process", false, 1, 5, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			o, runs := new(oracle), 0
			for more := true; more && !t.Failed(); more = o.again() {
				runs++
				m := &nfsModel{oracle: o, tells: row.tells, changes: row.changes, steps: row.steps}
				m.remembered(o.choose(3))
				d := New(m, "/dir")
				d.kernel = m
				for look := range row.looks {
					before := m.present
					names, fresh, err := d.Names()
					if err != nil || !fresh || len(names) != 1 {
						t.Fatalf("look %d = %q, %v, %v", look, names, fresh, err)
					}
					if got, _ := strconv.Atoi(names[0]); got < before {
						t.Errorf("look %d shows %d, but %d was there before it\n%v", look, got, before, m.trace)
					}
				}
				d.release()
			}
			t.Logf("%d orders", runs)
		})
	}
}

// How many requests a listing costs, when nobody else is about.
func TestRequestsOfAListing(t *testing.T) {
	for _, row := range []struct {
		name  string
		tells bool
		want  []int // for each listing; to open is one
	}{
		{"a kernel that tells", true, []int{2, 1, 1}},
		{"an older kernel", false, []int{3, 2, 2}},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := &nfsModel{oracle: new(oracle), tells: row.tells}
			d := New(m, "/dir")
			d.kernel = m
			var got []int
			for range row.want {
				before := m.requests
				if _, _, err := d.Names(); err != nil {
					t.Fatal(err)
				}
				got = append(got, m.requests-before)
			}
			d.release()
			if !slices.Equal(got, row.want) {
				t.Errorf("requests = %d, want %d", got, row.want)
			}
		})
	}
}

// An nfsModel is a directory on NFS and the kernel of a client, as far as listings go.
// Its one file has a number for a name, which grows. The attributes of the directory
// never move, as if all happened within one tick of the server's clock.
type nfsModel struct {
	afero.Fs
	oracle   *oracle
	tells    bool
	present  int // on the server
	changes  int // still to come
	page     *page
	requests int
	trace    []event

	steps int   // still to come, of the other process
	other *page // that it has filled
}

// An event is a step, told when the test fails.
type event struct {
	format string
	args   []any
}

func (e event) String() string { return fmt.Sprintf(e.format, e.args...) }

// A page is what a client's page cache has of a directory.
type page struct {
	number          int
	answered, ready bool // by the server, and there to be read
}

// remembered chooses what is in the page cache before the first look.
func (m *nfsModel) remembered(what int) {
	switch what {
	case 1:
		m.page = &page{ready: true}
	case 2:
		if m.steps > 0 {
			m.another()
		}
	}
}

// others lets the server and the other process go on by any number of steps.
func (m *nfsModel) others() {
	for {
		var can []func()
		if m.changes > 0 {
			can = append(can, m.change)
		}
		if m.steps > 0 && (m.page == nil || m.page.ready || m.page == m.other) {
			can = append(can, m.another)
		}
		choice := m.oracle.choose(len(can) + 1)
		if choice == len(can) {
			return
		}
		can[choice]()
	}
}

func (m *nfsModel) change() {
	m.changes--
	m.present++
	m.note("now %d", m.present)
}

// another is the next step of the other process. It drops what was read, as we do.
func (m *nfsModel) another() {
	m.steps--
	switch p := m.other; {
	case p == nil:
		m.other = &page{}
		m.page = m.other
		m.note("other asks")
	case !p.answered:
		p.number, p.answered = m.present, true
		m.note("other is answered %d", p.number)
	default:
		p.ready, m.other = true, nil
		m.note("other is done")
	}
}

func (m *nfsModel) note(format string, args ...any) {
	m.trace = append(m.trace, event{format, args})
}

func (m *nfsModel) Open(string) (afero.File, error) {
	m.requests++
	m.others()
	return &nfsFile{m: m}, nil
}

func (m *nfsModel) device(afero.File) (uint64, error) { return 1, nil }
func (m *nfsModel) locate(afero.File) *place          { return &place{nfs: true} }
func (m *nfsModel) same(afero.File, string) bool      { return true }
func (m *nfsModel) ask(string) error                  { panic("not on NFS") }
func (m *nfsModel) deviceOf(string) (uint64, error)   { panic("not on NFS") }

func (m *nfsModel) drop(afero.File) bool {
	m.others()
	if m.page != nil && m.page.ready {
		m.page = nil
	}
	m.others()
	return m.tells && m.page == nil
}

// An nfsFile is the open directory.
type nfsFile struct {
	afero.File
	m   *nfsModel
	end bool
}

func (f *nfsFile) Seek(int64, int) (int64, error) { f.end = false; return 0, nil }
func (f *nfsFile) Close() error                   { return nil }

func (f *nfsFile) Readdirnames(int) ([]string, error) {
	m := f.m
	if f.end {
		return nil, nil
	}
	f.end = true
	m.others()
	p := m.page
	switch {
	case p == nil:
		p = &page{}
		m.page = p
		m.requests++
		m.others()
		p.number = m.present
		m.others()
		p.ready = true
		m.note("we are answered %d", p.number)
	case !p.ready:
		m.note("we wait for the other")
		for !p.ready {
			m.steps++ // it is sure to go on
			m.another()
			m.others()
		}
	}
	m.note("we read %d", p.number)
	return []string{strconv.Itoa(p.number)}, nil
}
