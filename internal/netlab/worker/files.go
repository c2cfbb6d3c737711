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
)

// files are those that Holdfast gets where its operations are to meet traps, or guards
// are taken away: the system's, and what Holdfast itself does beyond package os when
// it has them without a layer between. It syncs data alone, and drops the kernel's
// cache before it reads anew.
type files struct {
	traps    *traps // nil: none are met
	without  guards
	database string // its plain name, an absolute path

	mu   sync.Mutex
	kept map[string]*os.File // guarded by mu; without the guard reopen: databases, which are never closed
	dirs map[string]*os.File // guarded by mu; without the guard fresh: directories of registers
	hot  map[string]bool     // guarded by mu; journals that SQLite would play back
}

func newFiles(t *traps, without guards, database string) *files {
	return &files{
		traps: t, without: without, database: filepath.Clean(database),
		kept: make(map[string]*os.File), dirs: make(map[string]*os.File), hot: make(map[string]bool),
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

func (s fileSystem) Open(name string) (afero.File, error) { return s.OpenFile(name, os.O_RDONLY, 0) }

func (s fileSystem) Create(name string) (afero.File, error) {
	return s.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

func (s fileSystem) OpenFile(name string, flag int, perm fs.FileMode) (opened afero.File, err error) {
	kind := workload.OpOpen
	if flag&os.O_CREATE != 0 {
		kind = workload.OpCreate
	}
	s.files.traps.meet(operation{kind: kind, name: name}, func() { opened, err = s.open(name, flag, perm) })
	return opened, err
}

func (s fileSystem) open(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f := s.files
	switch {
	case f.without.reopen && f.isDatabase(name):
		k, err := f.keep(f.kept, name, flag&^os.O_EXCL, perm)
		if err != nil {
			return nil, err
		}
		return &file{File: unclosed{k}, system: s, name: name}, nil
	case f.without.fresh && strings.HasSuffix(name, leasefile.Suffix):
		k, err := f.keep(f.dirs, name, flag, perm)
		if err != nil {
			return nil, err
		}
		return &file{File: &unfresh{unclosed: unclosed{k}, turn: &f.mu}, system: s, name: name}, nil
	}
	o, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	plain := &file{File: o, system: s, name: name}
	if f.without.fresh && ofRegister(name) {
		return plain, nil
	}
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		pagecache.Drop(o)
	}
	return systemFile{plain, o}, nil
}

// isDatabase reports whether a file is the database, or a copy that a takeover made.
func (f *files) isDatabase(name string) bool {
	if strings.HasSuffix(name, "-journal") || strings.HasSuffix(name, "-wal") {
		return false
	}
	return name == f.database || strings.HasPrefix(name, f.database+"@")
}

// keep returns the one descriptor of a file, which it opens for writing too as soon as
// anybody wants to.
func (f *files) keep(kept map[string]*os.File, name string, flag int, perm fs.FileMode) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := name
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		key += " for writing"
	}
	if k := kept[key]; k != nil {
		return k, nil
	}
	if k := kept[name+" for writing"]; k != nil {
		return k, nil
	}
	k, err := os.OpenFile(name, flag, perm)
	if err == nil {
		kept[key] = k
	}
	return k, err
}

// forget closes what is kept of a file that is to be removed.
func (f *files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.hot, name)
	for _, key := range []string{name, name + " for writing"} {
		if k := f.kept[key]; k != nil {
			k.Close()
			delete(f.kept, key)
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
