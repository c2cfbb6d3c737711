package fence

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// hot is a database in the middle of a transaction, with its journal, or its WAL.
func hot(t testing.TB, mode string) (files disk, want string) {
	t.Helper()
	h := recordMode(t, mode, []string{spill}, []string{spill})
	at := len(h.ops) * 3 / 4
	files = h.images()[at]
	return files, h.acceptable(at, at)[0]
}

func newStage(files disk) *stage { return &stage{disk: files, copies: disk{}} }

// A call that fails ends the copy, whichever it is, and nothing is left of it.
func TestCopyWhenACallFails(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		for _, mode := range []string{"delete", "wal"} {
			t.Run(mode+" "+cause.Error(), func(t *testing.T) {
				files, want := hot(t, mode)
				tried := 0
				for fail := 0; ; fail++ {
					s := newStage(files)
					n, failed := 0, ""
					s.fault = func(call string) error {
						if n++; n != fail+1 || call == "" {
							return nil
						}
						failed = call
						return &fs.PathError{Op: call, Path: "copy", Err: cause}
					}
					err := Copy(t.Context(), s, "app.db", "copy", nil)
					if failed == "" && n <= fail {
						if err != nil || recovered(t, s.copies, "copy") != want {
							t.Errorf("without a fault: %v", err)
						}
						break
					}
					if failed == "" {
						continue
					}
					tried++
					if !errors.Is(err, cause) {
						t.Errorf("call %d, %s: %v, want %v", fail, failed, err, cause)
					}
					if len(s.copies) > 0 {
						t.Errorf("call %d, %s: copies were left", fail, failed)
					}
				}
				if tried < 15 {
					t.Errorf("only %d calls failed", tried)
				}
			})
		}
	}
}

func TestCopyWhenTheContextEnds(t *testing.T) {
	cause := errors.New("the process has to go")
	for _, mode := range []string{"delete", "wal"} {
		t.Run(mode, func(t *testing.T) {
			files, _ := hot(t, mode)
			for end := 0; ; end++ {
				ctx, cancel := context.WithCancelCause(t.Context())
				s := newStage(files)
				n := 0
				s.tick = func() {
					if n++; n == end+1 {
						cancel(cause)
					}
				}
				err := Copy(ctx, s, "app.db", "copy", nil)
				ended := n > end
				if err == nil && n > end+4 { // the last sync, close and sync of the directory are not given up
					t.Errorf("ended at call %d of %d: no error", end, n)
				}
				if err != nil && (!errors.Is(err, cause) || len(s.copies) > 0) {
					t.Errorf("ended at call %d: %v, %d copies left", end, err, len(s.copies))
				}
				if !ended {
					break
				}
			}
		})
	}
}

// The first line that a user sees says what is the matter, and what to do.
func TestCopyErrors(t *testing.T) {
	files, _ := hot(t, "delete")
	without := func(name string) disk {
		d := disk{}
		for n, f := range files {
			if n != name {
				d[n] = f
			}
		}
		return d
	}
	failing := func(call string, cause error) func(string) error {
		return func(c string) error {
			if c == call {
				return cause
			}
			return nil
		}
	}
	for _, row := range []struct {
		name  string
		files disk
		to    string
		fault func(string) error
		want  error
		says  string
	}{
		{"no database", without("app.db"), "copy", nil, fs.ErrNotExist, `"app.db" is missing`},
		{"name taken", files, "app.db", nil, fs.ErrExist, `fence: copy "app.db" to "app.db": copy the database`},
		{"full", files, "copy", failing("write", syscall.ENOSPC), syscall.ENOSPC, "no space left on device: a takeover needs room for a second copy, "},
		{"quota", files, "copy", failing("sync", syscall.EDQUOT), syscall.EDQUOT, "raise the quota"},
		{"read-only", files, "copy", failing("create", syscall.EROFS), syscall.EROFS, "make the file system writable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStage(row.files)
			s.fault = row.fault
			err := Copy(t.Context(), s, "app.db", row.to, nil)
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %v that says %q", err, row.want, row.says)
			}
			if strings.Contains(err.Error(), "\n") || errors.Is(err, locking.ErrMoved) {
				t.Errorf("not one line of its own: %v", err)
			}
			if len(s.copies) > 0 {
				t.Error("copies were left")
			}
		})
	}
}

// stingy is a file system whose reads are shorter than asked for, with no error, and
// say nothing at the end but that it is the end.
type stingy struct{ *stage }

type stingyFile struct{ File }

func (s stingy) Open(name string) (File, error) {
	f, err := s.stage.Open(name)
	return stingyFile{f}, err
}

func (f stingyFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b[:min(7, len(b))], off)
	if n > 0 {
		err = nil
	}
	return n, err
}

func TestCopyFromShortReads(t *testing.T) {
	for _, mode := range []string{"delete", "persist", "wal"} {
		files, want := hot(t, mode)
		s := newStage(files)
		if err := Copy(t.Context(), stingy{s}, "app.db", "copy", nil); err != nil {
			t.Fatal(err)
		}
		if got := recovered(t, s.copies, "copy"); got != want {
			t.Errorf("%s: the copy is not what was committed", mode)
		}
	}
}

// A WAL is copied whose header was written over and put back, which two marks alone
// would not tell.
func TestCopyOfAnotherWAL(t *testing.T) {
	files, _ := hot(t, "wal")
	s := newStage(files)
	right := files["app.db-wal"]
	wrong := node{right.id, strings.Repeat("x", len(right.data))}
	opened := 0
	s.fault = func(call string) error {
		if call != "open" {
			return nil
		}
		files["app.db-wal"] = right
		if opened++; opened == 5 { // -journal, -wal, app.db, -journal, -wal
			files["app.db-wal"] = wrong
		}
		return nil
	}
	if err := Copy(t.Context(), s, "app.db", "copy", nil); !errors.Is(err, locking.ErrMoved) {
		t.Errorf("got %v, want ErrMoved", err)
	}
}

func TestProgress(t *testing.T) {
	files, _ := hot(t, "wal")
	var got []int64
	size := int64(len(files["app.db"].data) + len(files["app.db-wal"].data))
	err := Copy(t.Context(), newStage(files), "app.db", "copy", func(copied, total int64) {
		if total != size {
			t.Errorf("total %d, want %d", total, size)
		}
		got = append(got, copied)
	})
	if err != nil || len(got) == 0 || !slices.IsSorted(got) || got[len(got)-1] != size {
		t.Errorf("%v, progress %v, want it to end with %d", err, got, size)
	}
}

func TestRemove(t *testing.T) {
	s := newStage(disk{})
	s.copies = disk{"old": {}, "old-wal": {}, "older": {}}
	synced := 0
	s.fault = func(call string) error {
		if call == "syncdir" {
			synced++
		}
		return nil
	}
	for range 2 { // the second time there is nothing
		if err := Remove(t.Context(), s, "old"); err != nil {
			t.Error(err)
		}
	}
	if _, there := s.copies["older"]; len(s.copies) != 1 || !there || synced != 2 {
		t.Errorf("left %v, the directory synced %d times", s.copies, synced)
	}
	s.fault = func(string) error { return syscall.EIO }
	if err := Remove(t.Context(), s, "older"); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
}

// All copies are synced after the last write, and the directory after them.
func TestDurable(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		files, _ := hot(t, mode)
		s := newStage(files)
		var calls []string
		s.fault = func(call string) error {
			switch call {
			case "write":
				calls = calls[:0]
			case "sync", "syncdir":
				calls = append(calls, call)
			}
			return nil
		}
		if err := Copy(t.Context(), s, "app.db", "copy", nil); err != nil {
			t.Fatal(err)
		}
		if want := []string{"sync", "sync", "syncdir"}; !slices.Equal(calls, want) {
			t.Errorf("%s: %v, want %v", mode, calls, want)
		}
	}
}
