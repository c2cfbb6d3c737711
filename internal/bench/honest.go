package main

import (
	"io"
	"os"
	"path/filepath"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// honestName is a VFS for comparison: go-sqlite3's own, except that it syncs the
// directory of a journal that was created. Its own means to, and syncs the journal a
// second time instead, which is quicker, and leaves the name of the journal to luck.
const honestName = "honest"

var honest = maker{driver: "sqlite3", params: "vfs=" + honestName}

func init() {
	sqlitevfs.Register(honestName, honestVFS{sqlitevfs.Find("").(sqlitevfs.VFSFilename)})
}

type honestVFS struct{ sqlitevfs.VFSFilename }

func (v honestVFS) OpenFilename(name *sqlitevfs.Filename, flags sqlitevfs.OpenFlag) (sqlitevfs.File, sqlitevfs.OpenFlag, error) {
	const created = sqlitevfs.OPEN_MAIN_JOURNAL | sqlitevfs.OPEN_CREATE
	if flags&created != created {
		return v.VFSFilename.OpenFilename(name, flags)
	}
	f, err := os.OpenFile(name.String(), os.O_RDWR|os.O_CREATE, 0666)
	return &journal{File: f}, flags, err
}

// A journal is one that was just created.
type journal struct {
	*os.File
	named bool // its name was synced
}

func (j *journal) Sync(sqlitevfs.SyncFlag) error {
	if err := syncData(j.File); err != nil || j.named {
		return err
	}
	j.named = true
	dir, err := os.Open(filepath.Dir(j.Name()))
	if err != nil {
		return err
	}
	defer dir.Close()
	return syncData(dir)
}

func (j *journal) Size() (int64, error)             { return j.Seek(0, io.SeekEnd) }
func (j *journal) Lock(sqlitevfs.LockLevel) error   { return nil }
func (j *journal) Unlock(sqlitevfs.LockLevel) error { return nil }
func (j *journal) CheckReservedLock() (bool, error) { return false, nil }
func (j *journal) SectorSize() int                  { return 4096 }
func (j *journal) DeviceCharacteristics() sqlitevfs.DeviceCharacteristic {
	return sqlitevfs.IOCAP_SUBPAGE_READ | sqlitevfs.IOCAP_POWERSAFE_OVERWRITE
}
