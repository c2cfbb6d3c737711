package vfs

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs/vfstest"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
	"github.com/spf13/afero"
)

var trials = flag.Uint64("vfs.trials", 12/slow, "crash trials for each journal mode and kind of crash")

// start is a process of this package over some file system.
func start(files afero.Fs) (string, func()) { return startWith(files, locking.GradeLease) }

// startFenced is start with locks that keep to the fence.
func startFenced(files afero.Fs) (string, func()) { return startWith(files, locking.GradeFenced) }

func startWith(files afero.Fs, grade locking.Grade) (string, func()) {
	name := fmt.Sprintf("crash-%d", registered.Add(1))
	p := newArbiter().process("p")
	p.grade = grade
	sqlitevfs.Register(name, New(files, p.open))
	return name, func() { sqlitevfs.Unregister(name) }
}

// ends are the ways in which a process comes to its end.
var ends = []struct {
	name string
	run  func(vfstest.Trial) error
}{
	{"power cut", func(t vfstest.Trial) error { return t.Run(vfstest.PowerCut) }},
	{"kill", func(t vfstest.Trial) error { return t.Run(vfstest.Kill) }},
	{"faults", vfstest.Trial.RunFaults},
}

// In these modes every acknowledged commit survives whatever happens.
func TestCrash(t *testing.T) {
	for name, setup := range map[string]string{
		"delete":            "PRAGMA journal_mode=delete; PRAGMA synchronous=full",
		"delete, extra":     "PRAGMA journal_mode=delete; PRAGMA synchronous=extra",
		"truncate":          "PRAGMA journal_mode=truncate; PRAGMA synchronous=full",
		"persist":           "PRAGMA journal_mode=persist; PRAGMA synchronous=full",
		"wal":               "PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA wal_autocheckpoint=8",
		"wal, exclusive":    "PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal; PRAGMA synchronous=full",
		"delete, exclusive": "PRAGMA locking_mode=exclusive; PRAGMA journal_mode=delete; PRAGMA synchronous=extra",
	} {
		for _, end := range ends {
			t.Run(name+"/"+end.name, func(t *testing.T) {
				t.Parallel()
				for seed := range *trials {
					if err := end.run(vfstest.Trial{Start: start, Setup: setup, Seed: seed}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// Over a fence every acknowledged commit is at the storage whatever synchronous says.
func TestCrashFenced(t *testing.T) {
	for _, setup := range []string{
		"PRAGMA journal_mode=delete; PRAGMA synchronous=extra",
		"PRAGMA journal_mode=delete; PRAGMA synchronous=off",
		"PRAGMA journal_mode=truncate; PRAGMA synchronous=normal",
		"PRAGMA journal_mode=truncate; PRAGMA synchronous=off",
		"PRAGMA journal_mode=persist; PRAGMA synchronous=normal",
		"PRAGMA journal_mode=persist; PRAGMA synchronous=off",
		"PRAGMA journal_mode=wal; PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=8",
		"PRAGMA journal_mode=wal; PRAGMA synchronous=off; PRAGMA wal_autocheckpoint=8",
		"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=delete; PRAGMA synchronous=off",
		"PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal; PRAGMA synchronous=off; PRAGMA wal_autocheckpoint=8",
	} {
		for _, end := range ends {
			t.Run(setup+"/"+end.name, func(t *testing.T) {
				t.Parallel()
				for seed := range *trials {
					if err := end.run(vfstest.Trial{Start: startFenced, Setup: setup, Seed: seed}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// Under the kernel's locks, with synchronous=FULL, SQLite's default, a removed journal
// can come back after a power cut, and takes the last acknowledged commit away again.
// The one before that is safe. SQLite says so of its own VFS too, and has EXTRA for who
// minds. Over a lease the journal is emptied, and that is synced.
//
// https://sqlite.org/pragma.html#pragma_synchronous
func TestCrashCanTakeTheLastCommitBack(t *testing.T) {
	start := func(files afero.Fs) (string, func()) { return startWith(files, locking.GradeKernel) }
	const setup = "PRAGMA journal_mode=delete; PRAGMA synchronous=full"
	taken := 0
	for seed := range max(*trials, 60) {
		trial := vfstest.Trial{Start: start, Setup: setup, Seed: seed, Missing: 1}
		if err := trial.Run(vfstest.PowerCut); err != nil {
			t.Error(err)
		}
		trial.Missing = 0
		if err := trial.Run(vfstest.PowerCut); err != nil {
			taken++
		}
		if err := trial.Run(vfstest.Kill); err != nil {
			t.Error(err)
		}
	}
	if taken == 0 {
		t.Error("it never happened: promise more")
	}
}

// Without a journal on disk, a crash in mid-commit tears the database.
func TestCrashInMidCommitTearsModeMemory(t *testing.T) {
	for _, how := range []vfstest.Crash{vfstest.PowerCut, vfstest.Kill} {
		torn := 0
		for seed := range max(*trials, 40/slow) {
			trial := vfstest.Trial{Start: start, Setup: "PRAGMA journal_mode=memory; PRAGMA synchronous=full", Seed: seed}
			if err := trial.Run(how); err != nil {
				torn++
			}
		}
		if torn == 0 {
			t.Error("it never happened: promise more")
		}
	}
}

// But a crash at any other time, when all that was written is synced, loses nothing:
// this is what mode MEMORY can be said to promise.
func TestCrashOutsideOfCommitSparesModeMemory(t *testing.T) {
	midCommit := func(disk *vfstest.Disk, op vfstest.Op) bool {
		return disk.Unsynced("/bank.db") || op.Kind == "write" || op.Kind == "truncate"
	}
	for _, how := range []vfstest.Crash{vfstest.PowerCut, vfstest.Kill} {
		for seed := range *trials {
			trial := vfstest.Trial{
				Start: start, Setup: "PRAGMA journal_mode=memory; PRAGMA synchronous=full", Seed: seed, Spared: midCommit,
			}
			if err := trial.Run(how); err != nil {
				t.Error(err)
			}
		}
	}
}

// The trials find what they are there to find.
func TestCrashFindsPlantedFaults(t *testing.T) {
	for _, plant := range []struct {
		name  string
		setup string
		end   int // of ends
		wrap  func(afero.Fs) afero.Fs
	}{
		{"files are not synced", "PRAGMA journal_mode=truncate", 0, ignoring("sync", "")},
		{"the journal is not synced", "PRAGMA journal_mode=truncate", 0, ignoring("sync", "-journal")},
		{"the WAL is not synced", "PRAGMA journal_mode=wal; PRAGMA synchronous=full", 0, ignoring("sync", "-wal")},
		{"directories are not synced", "PRAGMA journal_mode=delete; PRAGMA synchronous=extra", 0, ignoring("syncdir", "")},
		{"the journal is not emptied", "PRAGMA journal_mode=delete", 1, ignoring("truncate", "-journal")},
		{"the journal is not truncated", "PRAGMA journal_mode=truncate", 1, ignoring("truncate", "-journal")},
		{"a write is lost", "PRAGMA journal_mode=delete", 1, ignoring("write", "bank.db")},
	} {
		t.Run(plant.name, func(t *testing.T) {
			for seed := range max(*trials, 60) {
				trial := vfstest.Trial{Start: start, Setup: plant.setup, Seed: seed, Broken: plant.wrap}
				if err := ends[plant.end].run(trial); err != nil {
					t.Logf("found by seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found")
		})
	}
}

// ignoring is a file system on which some operations do nothing and say that they
// did. Of writes it loses every seventh.
func ignoring(kind, suffix string) func(afero.Fs) afero.Fs {
	return func(files afero.Fs) afero.Fs { return &lyingFs{files, kind, suffix, 0} }
}

type lyingFs struct {
	afero.Fs
	kind, suffix string
	writes       int
}

type lyingFile struct {
	afero.File
	fs *lyingFs
}

func (l *lyingFs) lies(kind, name string) bool {
	return kind == l.kind && strings.HasSuffix(name, l.suffix)
}

func (l *lyingFs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	f, err := l.Fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return lyingFile{f, l}, nil
}

func (l *lyingFs) Open(name string) (afero.File, error) { return l.OpenFile(name, os.O_RDONLY, 0) }

func (l *lyingFs) Remove(name string) error {
	if l.lies("remove", name) {
		return nil
	}
	return l.Fs.Remove(name)
}

func (f lyingFile) Sync() error {
	kind := "sync"
	if info, err := f.Stat(); err == nil && info.IsDir() {
		kind = "syncdir"
	}
	if f.fs.lies(kind, f.Name()) {
		return nil
	}
	return f.File.Sync()
}

func (f lyingFile) Truncate(size int64) error {
	if f.fs.lies("truncate", f.Name()) {
		return nil
	}
	return f.File.Truncate(size)
}

func (f lyingFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.lies("write", f.Name()) {
		if f.fs.writes++; f.fs.writes%7 == 0 {
			return len(p), nil
		}
	}
	return f.File.WriteAt(p, off)
}
