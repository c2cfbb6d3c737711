package filestest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/spf13/afero"
)

func foundByOthers(s Subject) error {
	want := some(3*4096+100, 1)
	if err := with(s, 1, func(fs ...afero.Fs) error { return put(fs[0], s.name("file"), want) }); err != nil {
		return err
	}
	return with(s, 1, func(fs ...afero.Fs) error { return holds(fs[0], s.name("file"), want) })
}

func seenByOthers(s Subject) error {
	return with(s, 2, func(fs ...afero.Fs) error {
		if err := put(fs[0], s.name("file"), some(8192, 1)); err != nil {
			return err
		}
		f, err := fs[1].Open(s.name("file"))
		if err != nil {
			return err
		}
		defer f.Close()
		for i, size := range []int{8192, 100, 20000, 0, 5000} {
			want := some(size, byte(2+i))
			if err := put(fs[0], s.name("file"), want); err != nil {
				return err
			}
			got, err := content(f)
			if err != nil {
				return err
			}
			if err := same("the open file", got, want); err != nil {
				return err
			}
		}
		return nil
	})
}

func renameReplaces(s Subject) error {
	return with(s, 2, func(fsys ...afero.Fs) error {
		a, b := some(5000, 1), some(9000, 2)
		from, to := s.name("from"), s.name("to")
		if err := firstOf(put(fsys[0], from, a), put(fsys[0], to, b)); err != nil {
			return err
		}
		open, err := fsys[0].Open(to)
		if err != nil {
			return err
		}
		defer open.Close()
		if err := fsys[0].Rename(from, to); err != nil {
			return err
		}
		if _, err := fsys[1].Stat(from); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the old name is still there: %v", err)
		}
		if err := holds(fsys[1], to, a); err != nil {
			return err
		}
		got, err := content(open)
		if err != nil {
			return fmt.Errorf("a file that is open and lost its name: %w", err)
		}
		return same("the file that lost its name", got, b)
	})
}

func removedWhileOpen(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		name := s.name("file")
		if err := put(fsys[0], name, some(6000, 1)); err != nil {
			return err
		}
		old, err := fsys[0].OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer old.Close()
		if err := fsys[0].Remove(name); err != nil {
			return err
		}
		if _, err := fsys[0].Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the name is still there: %v", err)
		}
		want := some(4000, 2)
		if err := put(fsys[0], name, want); err != nil {
			return err
		}
		_, _ = old.WriteAt(some(8000, 3), 0) // whether that works is up to the file system
		return holds(fsys[0], name, want)
	})
}

func emptied(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		name := s.name("file")
		if err := put(fsys[0], name, some(9000, 1)); err != nil {
			return err
		}
		f, err := fsys[0].OpenFile(name, os.O_RDWR|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		for i := range 3 {
			got, err := content(f)
			if err == nil {
				err = same("the emptied file", got, nil)
			}
			if err != nil {
				return err
			}
			want := some(5000, byte(2+i))
			if _, err := f.WriteAt(want, 0); err != nil {
				return err
			}
			if err := holds(fsys[0], name, want); err != nil {
				return err
			}
			if err := f.Truncate(0); err != nil {
				return err
			}
		}
		return nil
	})
}

func largeTransfers(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		f, err := fsys[0].OpenFile(s.name("file"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		for _, size := range []int{1 << 20, 1<<20 + 1, 3 << 20} {
			for _, off := range []int64{0, 1, 4095} {
				want := some(size, byte(off))
				if n, err := f.WriteAt(want, off); n != size || err != nil {
					return fmt.Errorf("write of %d bytes at %d: %d, %w", size, off, n, err)
				}
				got := make([]byte, size)
				if n, err := f.ReadAt(got, off); n != size || err != nil && err != io.EOF {
					return fmt.Errorf("read of %d bytes at %d: %d, %w", size, off, n, err)
				}
				if err := same("the file", got, want); err != nil {
					return fmt.Errorf("%d bytes at %d: %w", size, off, err)
				}
			}
		}
		return nil
	})
}

// Enough for what a directory holds of databases, and for a pool of each of some of them.
const (
	files     = 200
	openFiles = 40
)

func manyFiles(s Subject) error {
	return with(s, 2, func(fsys ...afero.Fs) error {
		var open []afero.File
		defer func() {
			for _, f := range open {
				f.Close()
			}
		}()
		var want []string
		for i := range files {
			base := fmt.Sprintf("file number %d of many, with a long name", i)
			if err := put(fsys[0], s.name(base), some(i, byte(i))); err != nil {
				return err
			}
			want = append(want, base)
			if len(open) == openFiles {
				continue
			}
			f, err := fsys[0].Open(s.name(base))
			if err != nil {
				return fmt.Errorf("with %d files open: %w", len(open), err)
			}
			open = append(open, f)
		}
		for i, f := range open {
			got, err := content(f)
			if err != nil {
				return err
			}
			if err := same(f.Name(), got, some(i, byte(i))); err != nil {
				return err
			}
		}
		return lists(fsys[1], s.Dir, want)
	})
}

func lists(fsys afero.Fs, dir string, want []string) error {
	d, err := fsys.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		return fmt.Errorf("the directory has %d names, want %d: %q", len(names), len(want), names)
	}
	return nil
}

func statTells(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		if err := put(fsys[0], s.name("file"), some(4097, 1)); err != nil {
			return err
		}
		info, err := fsys[0].Stat(s.name("file"))
		switch {
		case err != nil:
			return err
		case info.Size() != 4097 || !info.Mode().IsRegular() || info.Mode()&0o600 != 0o600 || info.Name() != "file" || info.ModTime().IsZero():
			return fmt.Errorf("a file of 4097 bytes is told as %q with %d bytes, mode %v, of %v", info.Name(), info.Size(), info.Mode(), info.ModTime())
		}
		if info, err = fsys[0].Stat(s.Dir); err != nil || !info.IsDir() {
			return fmt.Errorf("the directory is told as %v, %w", info, err)
		}
		return nil
	})
}

func errorsSay(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		there, missing := s.name("there"), s.name("missing")
		if err := put(fsys[0], there, some(10, 1)); err != nil {
			return err
		}
		open := func(name string, flag int) error {
			f, err := fsys[0].OpenFile(name, flag, 0o600)
			if err == nil {
				f.Close()
			}
			return err
		}
		_, list := get(fsys[0], missing)
		for what, was := range map[string]struct{ got, want error }{
			"open of a missing file":               {open(missing, os.O_RDWR), fs.ErrNotExist},
			"open of a missing file, to read":      {list, fs.ErrNotExist},
			"removal of a missing file":            {fsys[0].Remove(missing), fs.ErrNotExist},
			"rename of a missing file":             {fsys[0].Rename(missing, there), fs.ErrNotExist},
			"exclusive creation of a present file": {open(there, os.O_RDWR|os.O_CREATE|os.O_EXCL), fs.ErrExist},
		} {
			if !errors.Is(was.got, was.want) {
				return fmt.Errorf("%s = %v, want %v", what, was.got, was.want)
			}
		}
		return holds(fsys[0], there, some(10, 1))
	})
}

// atTheSameTime uses files of one instance by several goroutines.
func atTheSameTime(s Subject) error {
	return with(s, 1, func(fsys ...afero.Fs) error {
		errs := make([]error, 4)
		var all, opened sync.WaitGroup
		opened.Add(len(errs))
		for g := range errs {
			all.Go(func() { errs[g] = busy(fsys[0], s.name(fmt.Sprint("busy", g)), byte(g), &opened) })
		}
		all.Wait()
		return errors.Join(errs...)
	})
}

// busy uses a file, once the others have opened theirs.
func busy(fsys afero.Fs, name string, seed byte, opened *sync.WaitGroup) error {
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	opened.Done()
	if err != nil {
		return err
	}
	defer f.Close()
	opened.Wait()
	for i := range 20 {
		want := some(1000*(i+1), seed*20+byte(i))
		if _, err := f.WriteAt(want, 0); err != nil {
			return err
		}
		got, err := content(f)
		if err != nil {
			return err
		}
		if err := same(name, got, want); err != nil {
			return err
		}
	}
	return nil
}
