// Package vfs is a SQLite VFS whose locks come from package locking and whose
// bytes lie on any afero file system.
//
// A [VFS] is registered with go-sqlite3 under a name. Each main database that a
// connection opens through it is a [File]. All connections of the process to one
// database share one [locking.Locker] and one open file, so that the file can be
// closed and opened anew after another host wrote: a network file system serves
// stale pages through a descriptor that stays open.
//
// # Loss
//
// When a lease is lost, every later operation of the connections that relied on it
// fails with [CodeLost], for good. That includes the rollback that SQLite then
// tries: the journal stays where it is, and whoever takes the lease next plays it
// back. Only Unlock and Close succeed.
//
// # Causes
//
// SQLite passes on a number, not an error. [Explain] puts the cause back: who
// holds the database, why the disk refused, which deadline ended the wait.
//
// # Not promised
//
// What the locks do not promise, this package cannot either: see
// [locking.Grade]. An operation that was under way when the lease was lost may still
// take effect. A lock backend must be the same for everybody who opens a database.
//
// journal_mode MEMORY and OFF keep no journal on disk, so a crash in mid-commit tears
// the database, as it does with SQLite's own VFS; at any other time it loses nothing.
// In mode DELETE with synchronous=FULL, SQLite's default, a power cut can take the last
// acknowledged commit back, since the removal of the journal is not synced; EXTRA
// syncs it. In mode WAL with synchronous=NORMAL, go-sqlite3's default there, a power cut
// takes back what was committed since the last checkpoint.
package vfs
