package flock

import (
	"context"
	"os"
	"strconv"
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
	in    inode         // guarded by mu, as all that follows
	pid   int           // whom it found last
	path  string        // where /proc told of it
	began time.Time     // when it last looked through all
	took  time.Duration // that took
}

// searchPart is how many times as long as it took a search waits for the next.
const searchPart = 20

// blocker returns the process that has the level of t by another descriptor than
// file. If it finds none it returns t itself: the process is another user's, or in
// another container, or gone by now.
func (s *search) blocker(file *os.File, t tenant) tenant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == "" {
		in, err := identify(file)
		if err != nil {
			return t
		}
		s.in = in
	}
	own := fdinfo(os.Getpid()) + strconv.Itoa(int(file.Fd()))
	if locks, err := s.in.read(s.path, "lock:"); err == nil && s.path != own {
		if level := highest(locks); level >= t.level {
			return tenant{pid: s.pid, level: level}
		}
	}
	began := time.Now()
	if began.Sub(s.began) < searchPart*s.took {
		return t
	}
	found := s.through(processes(), own, t)
	s.began, s.took = began, time.Since(began)
	return found
}

// through looks through the descriptors of processes, except one.
func (s *search) through(pids []int, except string, t tenant) tenant {
	for _, pid := range pids {
		for path, locks := range s.in.descriptors(pid) {
			if level := highest(locks); level >= t.level && path != except {
				s.pid, s.path = pid, path
				return tenant{pid: pid, level: level}
			}
		}
	}
	return t
}

func highest(locks []kernelLock) locking.Level {
	level := locking.None
	for _, lk := range locks {
		level = max(level, lk.level())
	}
	return level
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
	before, err := in.table()
	if err != nil {
		return nil, nil, err
	}
	found := make(map[kernelLock]int)
	for _, pid := range processes() {
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		for _, locks := range in.descriptors(pid) {
			for _, lk := range locks {
				note(pid, lk)
				found[lk]++
			}
		}
	}
	after, err := in.table()
	if err != nil {
		return nil, nil, err
	}
	for _, lk := range after {
		if lk.pid != 0 {
			note(lk.pid, lk)
		}
	}
	var notes []string
	first := ofFiles(before)
	for lk, n := range ofFiles(after) {
		// What was taken or let go meanwhile does not count. Nor does what is there
		// once too often: a long table that changes while it is read repeats lines.
		if min(n, first[lk]) > found[lk] {
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

// ofFiles counts the locks that belong to open files.
func ofFiles(table []kernelLock) map[kernelLock]int {
	count := make(map[kernelLock]int)
	for _, lk := range table {
		if lk.pid == 0 {
			count[lk]++
		}
	}
	return count
}
