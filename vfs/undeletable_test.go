package vfs

import (
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// What SQLite is told on Windows does not make it keep a journal that is closed when
// another host was in.
func TestJournalAfterAHandOverOnWindows(t *testing.T) {
	for _, grade := range []locking.Grade{locking.GradeKernel, locking.GradeLease} {
		for _, mode := range []string{"delete", "truncate", "persist"} {
			t.Run(string(grade)+"/"+mode, func(t *testing.T) {
				a := newArbiter()
				path := filepath.Join(scratch(t), "app.db")
				one := connect(t, windows(t, a.process("one"), grade), path, "")
				two := connect(t, windows(t, a.process("two"), grade), path, "")
				run(t, one, "PRAGMA journal_mode="+mode+"; CREATE TABLE t(x)")
				run(t, two, "PRAGMA journal_mode="+mode)
				for range 3 {
					run(t, one, "INSERT INTO t VALUES (1)")
					run(t, two, "INSERT INTO t VALUES (2)")
				}
				want(t, one, "SELECT count(*)||':'||sum(x) FROM t", "6:9")
				want(t, two, "PRAGMA integrity_check", "ok")
			})
		}
	}
}

// windows registers a VFS that tells SQLite what it tells on Windows.
func windows(t *testing.T, p *process, grade locking.Grade) string {
	t.Helper()
	p.grade = grade
	name := register(t, nil, p.open)
	sqlitevfs.Register(name, windowsVFS{sqlitevfs.Find(name).(*VFS)})
	return name
}

type windowsVFS struct{ *VFS }

type windowsFile struct{ *File }

func (v windowsVFS) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	file, flags, err := v.VFS.OpenFilename(name, flags)
	if f, ok := file.(*File); ok && err == nil {
		file = windowsFile{f}
	}
	return file, flags, err
}

func (f windowsFile) Unwrap() sqlitevfs.File { return f.File }

func (f windowsFile) DeviceCharacteristics() sqlitevfs.DeviceCharacteristic {
	return f.characteristicsOn("windows")
}
