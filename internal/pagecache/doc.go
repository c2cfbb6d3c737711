// Package pagecache has the kernel drop what it remembers of a file or a directory,
// so that the next read asks the storage. Two things need it, both measured on real
// mounts.
//
// An NFS client goes on serving old pages of a file for longer than a minute while
// anybody on the same machine has it open for writing.
//
// An NFS client also keeps the listing of a directory for as long as the directory's
// change attribute stands still. On NFS 3 that is a time stamp with the grain of the
// server's clock tick: of two changes within one, the second is not seen until the
// next change.
package pagecache
