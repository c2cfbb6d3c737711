package flock

import (
	"context"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
)

func status(t *testing.T, l locking.Locker) locking.Status {
	t.Helper()
	st, err := l.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func wantStatus(t *testing.T, l locking.Locker, holders ...locking.StatusEntry) {
	t.Helper()
	want := locking.Status{Grade: locking.GradeKernel, Lock: "flock", Holders: holders}
	if diff := cmp.Diff(want, status(t, l)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// What every system can tell.
func TestStatusOfThisProcess(t *testing.T) {
	l := newLocker(t, newDatabase(t)).(*locker)
	if st := status(t, l); len(st.Holders) != 0 || st.Grade != locking.GradeKernel || st.Lock != "flock" {
		t.Errorf("status = %+v, want no holders, grade kernel, lock flock", st)
	}
	reader, writer := newLock(t, l), newLock(t, l)
	climb(t, reader, shared)
	climb(t, writer, shared, reserved)
	want := []locking.StatusEntry{{Holder: l.self, Level: reserved}}
	if diff := cmp.Diff(want, status(t, l).Holders); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
}

func TestStatusOfPeers(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // see survey
	}
	forEachPeer(t, func(t *testing.T, l *locker, start func() peer) {
		writer := start()
		wantDone(t, writer, `BEGIN EXCLUSIVE`)
		wantStatus(t, l, locking.StatusEntry{Holder: by(l, writer), Level: exclusive})
		wantDone(t, writer, `ROLLBACK; BEGIN IMMEDIATE; INSERT INTO t VALUES (2)`)
		wantStatus(t, l, locking.StatusEntry{Holder: by(l, writer), Level: reserved})
		reader := startChild(t, "ours", l.database)
		if err := reader.do("SHARED"); err != nil {
			t.Fatal(err)
		}
		wantLocked(t, writer, `COMMIT`)
		wantStatus(t, l,
			locking.StatusEntry{Holder: by(l, writer), Level: pending},
			locking.StatusEntry{Holder: by(l, reader), Level: shared})
		wantDone(t, writer, `ROLLBACK`)
		wantStatus(t, l, locking.StatusEntry{Holder: by(l, reader), Level: shared})
		reader.kill()
		wantStatus(t, l)
	})
}
