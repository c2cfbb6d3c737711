package wasmplugins

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
)

// zerosAt is where a plain module has nothing but zeros: any reply of code 0.
const zerosAt = 2048

// plainFS is a file system whose files are empty, and take what is written.
func plainFS() *module {
	m := plain()
	replies := map[string]int64{exportFSOpen: 8, exportFSSize: 12, exportFSStat: 24}
	for _, export := range everyFS {
		size := max(4, replies[export])
		m.funcs = append(m.funcs, function{export: export, signature: signatures[export], body: constI64(zerosAt | size<<32)})
	}
	return m
}

// fsCalls are what has each export of a file system called.
var fsCalls = map[string]func(fs *FS, f afero.File) error{
	exportFSOpen: func(fs *FS, _ afero.File) error {
		_, err := fs.OpenFile("/file", os.O_RDWR|os.O_CREATE, 0o600)
		return err
	},
	exportFSClose:    func(_ *FS, f afero.File) error { return f.Close() },
	exportFSRead:     func(_ *FS, f afero.File) error { return second(f.ReadAt(make([]byte, 100), 0)) },
	exportFSWrite:    func(_ *FS, f afero.File) error { return second(f.WriteAt(make([]byte, 100), 0)) },
	exportFSTruncate: func(_ *FS, f afero.File) error { return f.Truncate(5) },
	exportFSSync:     func(_ *FS, f afero.File) error { return f.Sync() },
	exportFSSize:     func(_ *FS, f afero.File) error { return second(f.Stat()) },
	exportFSStat:     func(fs *FS, _ afero.File) error { return second(fs.Stat("/file")) },
	exportFSRemove:   func(fs *FS, _ afero.File) error { return fs.Remove("/file") },
	exportFSRename:   func(fs *FS, _ afero.File) error { return fs.Rename("/file", "/other") },
	exportFSList:     func(_ *FS, f afero.File) error { return second(f.Readdirnames(-1)) },
}

func second[T any](_ T, err error) error { return err }

// Whatever an export of a file system does, the host gets an error within the time of a
// call, the file that was open is broken, and the file system works on.
func TestHostileFileSystem(t *testing.T) {
	for name, bad := range badly {
		for export, call := range fsCalls {
			switch {
			case name == "long reply" && export == exportFSList:
				continue // names may be as long
			case name == "loop" && (export == exportFSTruncate || export == exportFSRemove || export == exportFSRename || export == exportFSSize):
				continue // each takes its time, and they go the same way as the others
			}
			t.Run(name+" in "+export, func(t *testing.T) {
				m := plainFS()
				body := bad.body
				if name == "recursion" {
					body = m.recursion(export)
				}
				p, err := loaded(t, m.with(export, body))
				if err != nil {
					t.Fatal(err)
				}
				fs, err := p.FS(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer fs.Close()
				var f afero.File
				if export != exportFSOpen {
					if f, err = fs.Open("/file"); err != nil {
						t.Fatal(err)
					}
				}
				if unending(name) {
					p.options.Limit = limit
				}
				for range 2 { // by the second one, the next instance was started
					began := time.Now()
					err = call(fs, f)
					checkTime(t, name, began)
					if !errors.Is(err, ErrBroken) && export != exportFSClose {
						t.Errorf("error %v, want ErrBroken", err)
					}
				}
				p.options.Limit = time.Minute
				if err == nil || strings.ContainsRune(err.Error(), '\n') {
					t.Errorf("more than a line: %v", err)
				}
				if export == exportFSOpen || export == exportFSStat {
					return // it is never there
				}
				if _, err := fs.Stat("/file"); err != nil {
					t.Errorf("the next instance: %v", err)
				}
			})
		}
	}
}

// Numbers that cannot be are not believed.
func TestForgedSizes(t *testing.T) {
	forged := binary.LittleEndian.AppendUint64(make([]byte, 4), 1<<63)
	forged = append(forged, make([]byte, 12)...)
	const at = 3072
	for export, size := range map[string]int64{exportFSSize: 12, exportFSStat: 24} {
		for what, size := range map[string]int64{"negative": size, "short": size - 1, "long": size + 1} {
			t.Run(what+" in "+export, func(t *testing.T) {
				m := plainFS().with(export, constI64(at|size<<32))
				m.data[at] = forged
				p, err := loaded(t, m)
				if err != nil {
					t.Fatal(err)
				}
				fs, err := p.FS(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer fs.Close()
				f, err := fs.Open("/file")
				if err != nil {
					t.Fatal(err)
				}
				if err := fsCalls[export](fs, f); !errors.Is(err, ErrBroken) {
					t.Errorf("error %v, want ErrBroken", err)
				}
			})
		}
	}
}
