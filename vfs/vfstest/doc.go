// Package vfstest checks that a SQLite VFS, or an afero file system below one,
// keeps its promises, and breaks the storage under it to see what survives.
//
// [Checks] are for a VFS, of this module or any other; [FileSystemChecks] for an
// afero file system that is to hold databases. Each returns an error that says how
// a promise was broken, so the checks can be tested themselves.
//
// A [Disk] is a file system in memory that knows what a power cut would leave of
// it. [Faulty] makes any file system fail where it is told to. A [Trial] puts a
// small bank on them, ends it at some operation, starts it again, and counts.
//
// # Not modelled
//
// A Disk keeps what was synced, whatever happens: a drive that lies about its cache,
// or that damages bytes it was not asked to write, is not covered.
package vfstest
