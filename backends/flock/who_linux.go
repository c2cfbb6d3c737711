package flock

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// A search finds the process behind a lock that belongs to an open file: such a
// lock is shown only among what /proc tells of the descriptors of that process.
// Looking through all of them takes milliseconds, many where many files are open,
// and a program may try again often. So no more than a part of the time goes to it.
type search struct {
	mu    sync.Mutex
	last  int           // whom it found last; guarded by mu
	began time.Time     // when it last looked through all; guarded by mu
	took  time.Duration // that took; guarded by mu
}

// searchPart is how many times as long as it took a search waits for the next.
const searchPart = 20

// blocker returns the process that has the level of t, and its highest one. If it
// finds none it returns t itself: the process is another user's, or in another
// container, or gone by now.
func (s *search) blocker(file *os.File, t tenant) tenant {
	in, err := identify(file)
	if err != nil {
		return t
	}
	s.mu.Lock()
	last, began, due := s.last, time.Now(), time.Since(s.began) >= searchPart*s.took
	s.mu.Unlock()
	found, ok := in.find([]int{last}, file, t.level)
	if !ok && due {
		found, ok = in.find(processes(), file, t.level)
		s.mu.Lock()
		s.began, s.took = began, time.Since(began)
		s.mu.Unlock()
	}
	if !ok {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = found.pid
	return found
}

// find returns the first of the processes that has a level, leaving out one
// descriptor of ours.
func (in inode) find(pids []int, but *os.File, level locking.Level) (tenant, bool) {
	for _, pid := range pids {
		t := tenant{pid: pid}
		for _, lk := range in.of(pid, but) {
			t.level = max(t.level, lk.level())
		}
		if t.level >= level {
			return t, true
		}
	}
	return tenant{}, false
}

// survey returns the processes that hold a level. The kernel shows all locks to
// everybody, but those that belong to open files without the process, which is
// looked for among the descriptors of all.
func (l *locker) survey(ctx context.Context, file *os.File) ([]tenant, []string, error) {
	in, err := identify(file)
	if err != nil {
		return l.surveyHere(file)
	}
	levels := make(map[int]locking.Level)
	note := func(pid int, lk kernelLock) {
		if level := lk.level(); level > levels[pid] {
			levels[pid] = level
		}
	}
	unowned, err := in.unowned()
	if err != nil {
		return nil, nil, err
	}
	if len(unowned) > 0 {
		for _, pid := range processes() {
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			for _, lk := range in.of(pid, nil) {
				note(pid, lk)
				unowned[lk]--
			}
		}
	}
	// What was let go meanwhile is nobody's any more.
	still, err := in.table()
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	for _, lk := range still {
		switch {
		case lk.pid != 0:
			note(lk.pid, lk)
		case unowned[lk] > 0:
			note(0, lk)
			notes = []string{"a holder runs as another user or in another container: root on the host sees which"}
		}
	}
	var tenants []tenant
	for pid, level := range levels {
		tenants = append(tenants, tenant{pid: pid, level: level})
	}
	return tenants, notes, nil
}

// unowned counts the locks that belong to open files.
func (in inode) unowned() (map[kernelLock]int, error) {
	table, err := in.table()
	count := make(map[kernelLock]int)
	for _, lk := range table {
		if lk.pid == 0 {
			count[lk]++
		}
	}
	return count, err
}
