package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/backends/leasefile"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
	"github.com/holdfastdb/holdfast/internal/pagecache"
	"github.com/holdfastdb/holdfast/internal/undelegated"
)

// files are those that Holdfast gets where its operations are to meet traps, or guards
// are taken away: the system's, and with them what Holdfast itself does beyond package
// os when it has them without a layer between: no delegations, syncs of data alone, and
// the kernel's cache dropped before something is read anew.
type files struct {
	traps    *traps // nil: none are met
	without  guards
	database string // its plain name, an absolute path

	mu   sync.Mutex
	kept map[descriptor]*os.File // guarded by mu; without reopen or fresh: databases or directories, which are never closed
	hot  map[string]bool         // guarded by mu; journals that SQLite would play back
}

// A descriptor names a file that is open, for writing too or not.
type descriptor struct {
	name   string
	writes bool
}

func newFiles(t *traps, without guards, database string) *files {
	return &files{
		traps: t, without: without, database: filepath.Clean(database),
		kept: make(map[descriptor]*os.File), hot: make(map[string]bool),
	}
}

// forData returns the file system of the database, forRegister that of the register.
func (f *files) forData() afero.Fs     { return fileSystem{afero.NewOsFs(), f, true} }
func (f *files) forRegister() afero.Fs { return fileSystem{afero.NewOsFs(), f, false} }

// A fileSystem is files as one of two uses them.
type fileSystem struct {
	afero.Fs
	files *files
	data  bool // a sync needs no more than the data
}

// Open opens what is there for reading: a file, or a directory.
func (s fileSystem) Open(name string) (afero.File, error) {
	if isRegister(name) {
		return s.openRegister(name)
	}
	return s.met(workload.OpOpen, name, false, func() (*os.File, error) { return os.Open(name) })
}

func (s fileSystem) Create(name string) (afero.File, error) {
	return s.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (s fileSystem) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	kind := workload.OpOpen
	if flag&os.O_CREATE != 0 {
		kind = workload.OpCreate
	}
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	return s.met(kind, name, writes, func() (*os.File, error) { return undelegated.OpenFile(name, flag, perm) })
}

// met opens a file whose operations meet traps, as its opening does.
func (s fileSystem) met(kind, name string, writes bool, open func() (*os.File, error)) (opened afero.File, err error) {
	s.files.traps.meet(operation{kind: kind, name: name}, func() { opened, err = s.wrapped(name, writes, open) })
	return opened, err
}

func (s fileSystem) wrapped(name string, writes bool, open func() (*os.File, error)) (afero.File, error) {
	if s.files.without.reopen && s.files.isDatabase(name) {
		k, err := s.files.keep(descriptor{name, writes}, open)
		if err != nil {
			return nil, err
		}
		return &file{File: unclosed{k}, system: s, name: name}, nil
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	if s.data && !writes {
		pagecache.Drop(f) // as for the listing of a directory, and for a copy
	}
	return systemFile{&file{File: f, system: s, name: name}, f}, nil
}

// isRegister reports whether a path is that of the directory of a register.
func isRegister(name string) bool { return strings.HasSuffix(name, leasefile.Suffix) }

// openRegister opens the directory of a register, which counts as listing it. What
// lists it does so in ways of its own, if it gets a file of the system; it gets another
// one without the guard fresh.
func (s fileSystem) openRegister(name string) (opened afero.File, err error) {
	s.files.traps.meet(operation{kind: workload.OpList, name: name}, func() {
		var k *os.File
		if s.files.without.fresh {
			k, err = s.files.keep(descriptor{name, false}, func() (*os.File, error) { return os.Open(name) })
			opened = &unfresh{File: unclosed{k}, turn: &s.files.mu}
		} else {
			k, err = os.Open(name)
			opened = k
		}
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// isDatabase reports whether a file is the database, or a copy that a takeover made.
func (f *files) isDatabase(name string) bool {
	if strings.HasSuffix(name, "-journal") || strings.HasSuffix(name, "-wal") {
		return false
	}
	return name == f.database || strings.HasPrefix(name, f.database+"@")
}

// keep returns a descriptor that stays open. Whoever only reads gets that of those who
// write, if there is one.
func (f *files) keep(d descriptor, open func() (*os.File, error)) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fits := range []descriptor{{d.name, true}, d} {
		if k := f.kept[fits]; k != nil {
			return k, nil
		}
	}
	k, err := open()
	if err == nil {
		f.kept[d] = k
	}
	return k, err
}

// forget closes what is kept of a file that is to be removed.
func (f *files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.hot, name)
	for _, d := range []descriptor{{name, true}, {name, false}} {
		if k := f.kept[d]; k != nil {
			k.Close()
			delete(f.kept, d)
		}
	}
}

func (s fileSystem) Stat(name string) (info fs.FileInfo, err error) {
	s.files.traps.meet(operation{kind: workload.OpStat, name: name}, func() { info, err = s.Fs.Stat(name) })
	return info, err
}

func (s fileSystem) Remove(name string) (err error) {
	s.files.forget(name)
	s.files.traps.meet(operation{kind: workload.OpRemove, name: name}, func() { err = s.Fs.Remove(name) })
	return err
}

func (s fileSystem) Rename(from, to string) (err error) {
	s.files.traps.meet(operation{kind: workload.OpRename, name: from, to: to}, func() { err = s.Fs.Rename(from, to) })
	return err
}

func (s fileSystem) Mkdir(name string, perm fs.FileMode) (err error) {
	s.files.traps.meet(operation{kind: workload.OpMkdir, name: name}, func() { err = s.Fs.Mkdir(name, perm) })
	return err
}

// note follows what becomes of journals.
func (f *files) note(o operation, off int64) {
	if !f.without.trace || off != 0 || !strings.HasSuffix(o.name, "-journal") {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.kind == workload.OpWrite && len(o.data) > 0 && o.data[0] != 0 {
		f.hot[o.name] = true
	} else {
		delete(f.hot, o.name)
	}
}

// hasJournal reports whether a transaction has written a journal and not finished it.
func (f *files) hasJournal() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hot) > 0
}
