// Package locking decides which process may read or write a database.
//
// A [Register] is one small shared cell that can be read and compare-and-swapped;
// every networked backend implements just that. What the cell holds is a [Record]:
// who holds which [Level], who waits, and the [Epoch]. A [Coordinator] keeps this
// process's place in the record, serves every connection of the process from it,
// and says when that place is lost. A [Lock] is one connection's place, with
// SQLite's five levels.
//
// # Not promised
//
// A lease cannot stop a paused or cut-off process from writing late: the page
// that its kernel already accepted may reach the storage after another holder
// wrote. See [Grade] for what each kind of lock promises.
//
// # Clocks
//
// Time is measured on the local clock only. The clocks of two hosts may differ
// by any amount, but must run at nearly the same rate: the guard (see [Options])
// is the allowance. Timestamps in a record are for people.
package locking
