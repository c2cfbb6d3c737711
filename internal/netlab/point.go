//go:build linux

package main

import "github.com/holdfastdb/holdfast/internal/netlab/workload"

const (
	journalSuffix = "-journal"
	walSuffix     = "-wal"
)

// finishes are the operations that end a rollback journal.
var finishes = []string{workload.OpTruncate, workload.OpWrite, workload.OpRemove}

func one(op, name string) workload.Trap {
	return workload.Trap{Ops: []string{op}, Name: name}
}

// beforePage is between the last check of the lease and the write of a page: the n-th of
// a transaction, to the database or to its WAL.
func beforePage(n int) point {
	return func(mode, file string) []workload.Trap {
		t := one(workload.OpWrite, file)
		if mode == "wal" {
			t.Name += walSuffix
		}
		t.N = n
		return []workload.Trap{t}
	}
}

// beforeFinish is when everything of a transaction is written, but what makes it count.
func beforeFinish(mode, file string) []workload.Trap {
	if mode == "wal" {
		return []workload.Trap{one(workload.OpSync, file+walSuffix)}
	}
	return []workload.Trap{one(workload.OpSync, file), {Ops: finishes, Name: file + journalSuffix}}
}

// afterFinish is when a transaction counts, and the register was not looked at since.
func afterFinish(mode, file string) []workload.Trap {
	traps := beforeFinish(mode, file)
	traps[len(traps)-1].After = true
	return traps
}

// midway is when the journal of a transaction is hot, and its pages are on their way.
func midway(mode, file string) []workload.Trap { return beforeFinish(mode, file)[:1] }

// beforeCheckpoint is before the first page that the end of a WAL writes to the database.
func beforeCheckpoint(_, file string) []workload.Trap {
	return []workload.Trap{one(workload.OpWrite, file)}
}

// beforeUnlink is before the removal of a journal or WAL at the end.
func beforeUnlink(_, file string) []workload.Trap {
	return []workload.Trap{one(workload.OpRemove, file+"-*")}
}
