package main

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
	"github.com/holdfastdb/holdfast/locking"
)

// An inDoubt error is that of a COMMIT that may have taken effect.
type inDoubt struct{ error }

func (e inDoubt) Unwrap() error { return e.error }

// answer makes a reply of what came of a command.
func answer(id int64, r workload.Reply, err error) workload.Reply {
	r.ID, r.Outcome = id, workload.OK
	if err == nil {
		return r
	}
	r.Outcome, r.Kind, r.Err = workload.Failed, kindOf(err), err.Error()
	if errors.As(err, new(inDoubt)) {
		r.Outcome = workload.Unknown
	}
	return r
}

// kindOf says of what kind an error is. The loss of a lease comes first: it may be
// behind any other.
func kindOf(err error) string {
	switch {
	case errors.Is(err, errUsage):
		return workload.KindUsage
	case errors.Is(err, holdfast.ErrLost):
		return workload.KindLost
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return workload.KindDeadline
	case errors.Is(err, locking.ErrUnreachable):
		return workload.KindUnreached
	}
	switch codeOf(err) {
	case sqlite3.BUSY, sqlite3.LOCKED:
		return workload.KindBusy
	case sqlite3.INTERRUPT:
		return workload.KindDeadline
	case sqlite3.CORRUPT, sqlite3.NOTADB:
		return workload.KindCorrupt
	case sqlite3.FULL:
		return workload.KindFull
	case sqlite3.IOERR, sqlite3.CANTOPEN, sqlite3.READONLY, sqlite3.PROTOCOL:
		return workload.KindIO
	}
	return workload.KindOther
}

// codesOf finds SQLite's result code in the errors of a driver; 0 if there is none.
var codesOf = []func(error) sqlite3.ErrorCode{ncrucesCode}

func codeOf(err error) sqlite3.ErrorCode {
	for _, find := range codesOf {
		if code := find(err); code != 0 {
			return code
		}
	}
	return 0
}

func ncrucesCode(err error) sqlite3.ErrorCode {
	var code sqlite3.ErrorCode
	if errors.As(err, &code) {
		return code
	}
	return 0
}

// isBusy reports whether SQLite said that somebody else has the database: then a
// COMMIT did nothing, and its transaction goes on.
func isBusy(err error) bool {
	return codeOf(err) == sqlite3.BUSY && !errors.Is(err, holdfast.ErrLost)
}
