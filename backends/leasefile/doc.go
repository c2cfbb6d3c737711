// Package leasefile keeps a register in a directory, for databases on NFS, SMB
// or any other file system that hosts share.
//
// It takes no operating-system lock, compares no clock and writes no file twice.
// The register of /data/app.db is the directory /data/app.db.lease. It holds
//
//	00000000012.5ZTUJ4A6KQRBX2MD.token   an empty file, the only one of its kind
//	00000000012.5ZTUJ4A6KQRBX2MD.json    the value of that version
//
// The name of the token is the version: a number that grows by one with every
// swap, and a nonce. To swap is to write the value of the next version, sync it,
// and rename the token to that version's name. A rename consumes its source, so
// of all swaps from one version one succeeds; one that comes late, even by an
// hour, finds no source, since a nonce never comes back. To read is to list the
// directory, and then to read the file that never changes. NFS and SMB clients can be
// made to ask the server for a listing, as opposed to the content or the absence of a
// file. On SMB they can be made to ask for a name as well, which is cheaper: as long as
// the token that is known is there, there is no other. Package remotedir says how.
//
// A value whose number is not larger than the token's, and which is not the
// token's, belongs to a swap that can never take effect any more. Anybody may
// delete it at any time. A value that is one ahead may belong to a rename that is
// on its way, and stays.
//
// The register is created by renaming a complete directory to its name, which
// fails if there is one.
//
// # Requirements
//
// The file system must refuse exclusive creation of a file that exists, a rename
// whose source is missing, and a rename of a directory onto one that is not
// empty. This is tried once before the first swap. That a rename is atomic and a
// listing fresh cannot be tried from one host; it was measured on NFS 3, 4.0 and
// 4.2 and on SMB 3.1.1 with Linux clients.
//
// A Linux client of an SMB server that leases directories lists them from memory. So
// on SMB each listing is confirmed by asking for the token by name. Where the server
// has no extended attributes that cannot be asked, and the share is to be mounted with
// the option nohandlecache.
//
// Not measured: a Windows client of an SMB share, which may answer a listing from a
// cache that is seconds old. A swap from a stale version fails there as it does
// everywhere.
//
// All processes must reach the same directory. Their paths to it may differ.
//
// # URLs
//
// See [Open] for the lock URLs; a blank import of this package registers them.
package leasefile
