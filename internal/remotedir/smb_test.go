package remotedir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/afero"
)

// A file that the server is said to have was there after the question began, also if
// another machine or another process of this one renames it meanwhile.
func TestNameThatIsRenamed(t *testing.T) {
	o, runs, yes := new(oracle), 0, 0
	for more := true; more && !t.Failed(); more = o.again() {
		runs++
		m := &smbModel{oracle: o, server: "old", client: "old", steps: 2, near: o.choose(2) == 1}
		m.others()
		d := New(nil, "")
		d.kernel = m
		d.place.Store(&place{smb: true, device: 1})
		before := m.server
		switch has, err := d.Has("old"); {
		case err != nil:
			t.Error(err)
		case has && before != "old":
			t.Errorf("it has the file that was renamed before; order %d", o.chosen)
		case has:
			yes++
		}
	}
	if yes == 0 {
		t.Error("it never has the file")
	}
	t.Logf("%d orders", runs)
}

// An smbModel is a file on SMB that is renamed once, by a process of this machine or
// of another.
type smbModel struct {
	oracle *oracle
	server string // its name
	client string // the name that this machine's kernel gives it
	near   bool   // this machine's kernel learns of it
	steps  int    // still to come: the server renames it, this machine's kernel does
}

func (m *smbModel) others() {
	for m.steps > 0 && m.oracle.choose(2) == 1 {
		m.steps--
		switch {
		case m.server == "old":
			m.server = "new"
		case m.near:
			m.client = "new"
		}
	}
}

// find finds a file by name as the kernel does: among those that it knows, or else by
// asking the server.
func (m *smbModel) find(name string) error {
	m.others()
	if m.client != name && m.server != name {
		return fs.ErrNotExist
	}
	return nil
}

func (m *smbModel) ask(name string) error {
	if err := m.find(name); err != nil {
		return err
	}
	m.others()
	asked := m.client
	m.others()
	if m.server != asked {
		return &os.PathError{Op: "lgetxattr", Path: name, Err: syscall.ENOENT}
	}
	return nil
}

func (m *smbModel) deviceOf(name string) (uint64, error) { return 1, m.find(name) }

func (m *smbModel) device(afero.File) (uint64, error) { panic("not listed") }
func (m *smbModel) locate(afero.File) *place          { panic("not listed") }
func (m *smbModel) same(afero.File, string) bool      { panic("not listed") }
func (m *smbModel) drop(afero.File) bool              { panic("not listed") }

// Where nobody can be asked by name nobody is, but for the one time that it takes to
// find that out.
func TestHasWhereItCannotBeAsked(t *testing.T) {
	lost := errors.New("the server does not answer")
	for _, row := range []struct {
		name    string
		place   *place
		ask     error
		device  uint64
		want    bool
		wantErr error
		asked   int // of two times
	}{
		{name: "never listed", wantErr: errors.ErrUnsupported},
		{name: "local", place: &place{device: 1}, wantErr: errors.ErrUnsupported},
		{name: "NFS", place: &place{nfs: true, device: 1}, wantErr: errors.ErrUnsupported},
		{name: "SMB", place: &place{smb: true, device: 1}, device: 1, want: true, asked: 2},
		{name: "gone", place: &place{smb: true, device: 1}, ask: syscall.ENOENT, asked: 2},
		{name: "no extended attributes", place: &place{smb: true, device: 1}, ask: syscall.EOPNOTSUPP, wantErr: errors.ErrUnsupported, asked: 1},
		{name: "no server", place: &place{smb: true, device: 1}, ask: lost, wantErr: lost, asked: 2},
		{name: "mounted over", place: &place{smb: true, device: 1}, device: 2, wantErr: errors.ErrUnsupported, asked: 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := &answers{ask_: row.ask, on: row.device}
			d := New(nil, "")
			d.kernel = m
			if row.place != nil {
				d.place.Store(row.place)
			}
			for range 2 {
				if has, err := d.Has("x"); has != row.want || !errors.Is(err, row.wantErr) {
					t.Errorf("has = %v, %v; want %v, %v", has, err, row.want, row.wantErr)
				}
			}
			if m.asked != row.asked {
				t.Errorf("asked %d times, want %d", m.asked, row.asked)
			}
		})
	}
}

// answers is a kernel that says what it is told to.
type answers struct {
	smbModel
	ask_  error
	on    uint64
	asked int
}

func (a *answers) ask(string) error                { a.asked++; return a.ask_ }
func (a *answers) deviceOf(string) (uint64, error) { return a.on, nil }
