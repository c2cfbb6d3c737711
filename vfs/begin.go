package vfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// begin looks whether the file is there before it opens the locks, so that a mistyped
// path leaves nothing behind. It opens the bytes after them: a lock that keeps to the
// fence may say that the database is another file. And to open a file that a holder has
// open who cannot be reached takes as long as the server waits for that one, while the
// lock, which was looked at before, waits for it too.
func (d *database) begin(ctx context.Context, flags sqlitevfs.OpenFlag) (writes bool, err error) {
	if err := d.isCopy(); err != nil {
		return false, err
	}
	flag := openFlag(flags)
	b := d.newBody("")
	d.body.Store(b)
	err = b.exists()
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && flag&os.O_CREATE == 0 {
		if !d.mayBeElsewhere() {
			return false, err
		}
		err = nil
	} else if missing {
		err = d.mayCreate()
	}
	if err != nil {
		return false, err
	}
	if d.locker, err = d.vfs.open(ctx, d.path, d.params, d.vfs.Storage(d.path)); err != nil {
		return false, err
	}
	if writes, err = d.settle(ctx, flag, missing); err != nil {
		d.locker.Close(ctx)
	}
	return writes, err
}

// mayBeElsewhere reports whether the database may be there though its plain name is
// not.
func (d *database) mayBeElsewhere() bool {
	if _, err := d.vfs.ReadMarker(d.path); err == nil {
		return true
	}
	copies, err := d.copies()
	return err == nil && len(copies) > 0
}

// settle finds, or creates, the file that is the database, once the locks are open.
func (d *database) settle(ctx context.Context, flag int, missing bool) (writes bool, err error) {
	grade := d.locker.Grade()
	d.leased, d.fenced = leased(grade), grade == locking.GradeFenced
	if d.leased {
		d.remembered = d.vfs.files.shared(filepath.Dir(d.path))
		d.vfs.leased.Store(true)
		if err := d.mayBeLeased(); err != nil {
			return false, err
		}
	}
	for {
		at, err := d.locate(ctx, &missing)
		if err != nil {
			return false, err
		}
		if writes, err = d.openAt(at.File, flag, missing); err == nil {
			break
		}
		if !d.wentOn(ctx, at.File) {
			return false, err
		}
		d.close() // what was opened of it before it was found to be gone
	}
	if _, host := d.vfs.files.(hostFS); host && !d.leased {
		d.dir.open(filepath.Dir(d.path))
	}
	return writes, d.identify(d.body.Load())
}

// openAt opens, or creates, the file that the lock says is the database.
func (d *database) openAt(file string, flag int, missing bool) (writes bool, err error) {
	b := d.newBody(file)
	d.body.Store(b)
	switch {
	case file != "":
		writes, err = b.openExisting(flag &^ os.O_CREATE)
		return writes, b.missing(err)
	case missing && flag&os.O_CREATE == 0:
		return false, fmt.Errorf("it does not exist: check the path, or create it with mode=rwc: %w", fs.ErrNotExist)
	case missing:
		return d.create(b, flag)
	default:
		return b.openExisting(flag &^ os.O_CREATE)
	}
}

// wentOn reports whether the database is in another file than the given one by now: it
// may have been taken over, and its old file removed, between a look at the lock and
// what was to be done with that file.
func (d *database) wentOn(ctx context.Context, file string) bool {
	if !d.leased {
		return false
	}
	at, err := d.locker.Current(ctx)
	return err == nil && at.File != file
}

// create creates the file, with the permissions of the one that the parameter
// modeof names.
func (d *database) create(b *body, flag int) (writes bool, err error) {
	b.created.Store(true)
	writes, err = b.reach(flag, b.perm)
	if err == nil && d.leased {
		err = d.vfs.spelled(d.path) // the directory may spell it otherwise
	}
	if err != nil || d.modeof == "" {
		return writes, err
	}
	like, err := d.vfs.files.stat(d.modeof)
	if err != nil {
		return false, fmt.Errorf("modeof: %w", err)
	}
	likeOther(b.current(), like)
	return writes, nil
}

// again opens a database for one more connection.
func (d *database) again(ctx context.Context, params url.Values, flags sqlitevfs.OpenFlag) (writes bool, err error) {
	for key, values := range lockParams(params) {
		if !slices.Equal(values, d.params[key]) {
			return false, fmt.Errorf("this process has it open already with %s=%s: give the same lock options everywhere",
				key, strings.Join(d.params[key], ","))
		}
	}
	if err := d.unmoved(ctx); err != nil {
		return false, err
	}
	for {
		b := d.body.Load()
		writes, err = b.reach(openFlag(flags)&^os.O_CREATE, b.perm)
		if err == nil || !d.leased {
			return writes && flags&sqlitevfs.OPEN_READWRITE != 0, err
		}
		if went, elsewhere := d.follow(ctx, b.file); !went {
			return false, cmp.Or(elsewhere, err)
		}
	}
}

// unmoved refuses one more connection to a file that was replaced or deleted since
// the first one opened it, unless the database just goes on in another one.
func (d *database) unmoved(ctx context.Context) error {
	b := d.body.Load()
	moved, err := b.moved()
	if err != nil || !moved {
		return err
	}
	if d.leased {
		if went, err := d.follow(ctx, b.file); went || err != nil {
			return err
		}
	}
	return errors.New("it was replaced or deleted while this process had it open: close all its connections first")
}

// follow goes on in the file that the lock names, outside of any level, and reports
// whether that is another than the given one. While it opens that one, the database may
// go on once more.
func (d *database) follow(ctx context.Context, from string) (went bool, err error) {
	for {
		at, silent := d.locker.Current(ctx)
		if silent != nil || at.File == from {
			return false, cmp.Or(err, silent)
		}
		if err = d.goTo(at.File); err == nil {
			return true, nil
		}
		from = at.File
	}
}

func (d *database) goTo(file string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrived = false
	if d.body.Load().file == file {
		return nil
	}
	return d.turnTo(file)
}
