package vfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// Whatever SQLite does not sync, another host would not see. So nothing is left
// unsynced when a level is given up.
func TestNothingIsLeftUnsyncedForTheNextHost(t *testing.T) {
	for name, sql := range map[string]string{
		"commit":   "BEGIN IMMEDIATE;" + bankTransfer + "COMMIT",
		"rollback": "BEGIN IMMEDIATE;" + bankTransfer + "ROLLBACK",
	} {
		for _, mode := range []string{"delete", "truncate", "persist", "memory", "off"} {
			if mode == "off" && name == "rollback" {
				continue // what it does is undefined
			}
			t.Run(mode+"/"+name, func(t *testing.T) {
				disk := vfstest.NewDisk()
				vfs, stop := start(disk)
				defer stop()
				conn := connect(t, vfs, "/bank.db", "")
				run(t, conn, "PRAGMA synchronous=off; PRAGMA journal_mode="+mode+";"+bankSchema+small(mode)+";"+sql)
				for _, side := range append(sides, "") {
					if disk.Unsynced("/bank.db" + side) {
						t.Errorf("bank.db%s is not synced", side)
					}
				}
			})
		}
	}
}

// A WAL that stays behind is synced before its last connection leaves.
func TestWALThatStaysIsSynced(t *testing.T) {
	disk := vfstest.NewDisk()
	vfs, stop := start(disk)
	defer stop()
	conn := connect(t, vfs, "/bank.db", "")
	if _, err := conn.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
		t.Fatal(err)
	}
	run(t, conn, "PRAGMA journal_mode=wal; PRAGMA synchronous=normal;"+bankSchema)
	if !disk.Unsynced("/bank.db-wal") {
		t.Error("it is synced before")
	}
	conn.Close()
	if info, err := disk.Stat("/bank.db-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the WAL: %v, %v", info, err)
	}
	if disk.Unsynced("/bank.db-wal") {
		t.Error("it is not synced afterwards")
	}
}

// With the kernel's locks there is no other host, and SQLite's word is enough.
func TestKernelLocksNeedNoHandOver(t *testing.T) {
	p := newArbiter().process("p")
	p.grade = "kernel"
	disk := vfstest.NewDisk()
	conn := connect(t, register(t, disk, p.open), "/bank.db", "")
	run(t, conn, "PRAGMA synchronous=off;"+bankSchema)
	if !disk.Unsynced("/bank.db") {
		t.Error("it was synced against the user's wish")
	}
}

// A handle reads all that is asked for, from a file that returns it bit by bit.
func TestBitByBit(t *testing.T) {
	path := filepath.Join(scratch(t), "file")
	content := bytes.Repeat([]byte("0123456789"), 100)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	h, err := aferoFS{bitFs{afero.NewOsFs()}}.open(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := make([]byte, 900)
	if n, err := h.ReadAt(got, 50); n != 900 || err != nil || !bytes.Equal(got, content[50:950]) {
		t.Errorf("read %d, %v", n, err)
	}
	if n, err := h.ReadAt(got, 500); n != 500 || err != io.EOF || !bytes.Equal(got[:n], content[500:]) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := h.ReadAt(got, 5000); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
}

// bitFs returns 7 bytes at a time, and has an error of its own for the end.
type bitFs struct{ afero.Fs }

type bitFile struct{ afero.File }

func (b bitFs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := b.Fs.OpenFile(name, flag, perm)
	return bitFile{f}, err
}

func (b bitFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.File.ReadAt(p[:min(7, len(p))], off)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
