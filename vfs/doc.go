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
// # The fence
//
// Locks of grade [locking.GradeFenced] say by their register which file is the
// database: after a holder expired in mid-work it is another one, a copy named
// app.db@18-3fa9c2d1. SQLite goes on calling it app.db. Each connection stays with the
// file that it found when it took SHARED until it unlocks. What counts is confirmed by
// a fresh look at the register, which no stale process passes:
//
//   - A commit, when it is complete and synced. If that fails, its outcome is
//     unknown to this process.
//   - A WAL, each time that it was synced.
//   - Leave to finish a rollback journal, by a look that began when that journal was
//     there. It is asked for in the background, while pages are written.
//
// The parameter verify=read has each read transaction confirmed as well; [File.Lost]
// tells when that failed. Where the level is kept, in WAL mode and in
// locking_mode=EXCLUSIVE, [File.VerifyReads] is for who knows that a transaction ended.
// An operation that failed in a way that leaves its effect
// unknown ends the lease.
//
// synchronous=OFF is NORMAL over a fence, journal_mode MEMORY and OFF are refused, and
// so is a transaction that writes several databases with rollback journals.
//
// A [Marker] beside the database tells one whose register was deleted from one that
// was never used.
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
// take effect: over a fence in a file that is not the database any more. Over a fence,
// a stale reader may see what is old, or torn, until it verifies. A lock backend must be the same for everybody who opens a database.
//
// journal_mode MEMORY and OFF keep no journal on disk, so a crash in mid-commit tears
// the database, as it does with SQLite's own VFS; at any other time it loses nothing.
// Under the kernel's locks, in mode DELETE with synchronous=FULL, SQLite's default, a
// power cut can take the last acknowledged commit back, since the removal of the
// journal is not synced; EXTRA syncs it. Over a lease the journal is not removed but
// emptied, and that is synced. In mode WAL with synchronous=NORMAL, go-sqlite3's default there, a power cut
// takes back what was committed since the last checkpoint.
package vfs
