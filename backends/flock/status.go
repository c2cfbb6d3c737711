package flock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/holdfastdb/holdfast/locking"
)

// Current implements [locking.Locker]: the kernel locks the file itself.
func (l *locker) Current(context.Context) (locking.Current, error) { return locking.Current{}, nil }

// Status implements [locking.Locker]. Not every system says who holds a lock; the
// notes tell what is missing. The kernel keeps no queue that could be shown.
func (l *locker) Status(ctx context.Context) (locking.Status, error) {
	st := locking.Status{Grade: l.Grade(), Lock: Scheme}
	file, _, err := l.openFile()
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return st, fmt.Errorf("flock: status: %w", err)
	}
	defer file.Close()
	tenants, notes, err := l.survey(ctx, file)
	if err != nil {
		return st, fmt.Errorf("flock: status of %q: %w", l.database, err)
	}
	slices.SortFunc(tenants, func(a, b tenant) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.pid, b.pid))
	})
	st.Notes = notes
	for _, t := range tenants {
		st.Holders = append(st.Holders, locking.StatusEntry{Holder: l.holder(t.pid), Level: t.level})
	}
	return st, nil
}

// surveyHere is the survey of a system that does not tell who holds a lock: this
// process, or else somebody if a level of Reserved or above is held.
func (l *locker) surveyHere(file *os.File) ([]tenant, []string, error) {
	notes := []string{"this system does not tell who else holds a lock"}
	if level := l.highest(nil); level != locking.None {
		return []tenant{{pid: l.self.PID, level: level}}, notes, nil
	}
	held, err := ranges{file}.reserved()
	if held {
		return []tenant{{level: locking.Reserved}}, notes, err
	}
	return nil, notes, err
}
