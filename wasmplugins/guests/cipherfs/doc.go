// Command cipherfs is a plugin that keeps a database encrypted, under a directory that was
// granted to it:
//
//	fs=wasm:///etc/holdfast/cipherfs.wasm%3Fdir=/data%26secret=key:APP_KEY
//
// # Format
//
// A file is a head of 64 bytes and then blocks. The head is a name of the format, a random
// id, and a value by which a wrong key is told from damage. From the key and the id,
// HKDF-SHA-256 makes the file's own key, and that value. A block holds up to 4,096 bytes:
// a nonce of 24 random bytes, new each time that it is written, the bytes encrypted by
// XChaCha20-Poly1305, and its tag, which stands for the number of the block as well. The
// last block may be short, and the others are whole. In a journal or a WAL a block has three
// places, which takes up to three times the room. A write goes to one that has neither what
// was written last nor what was synced last, whoever wrote it.
//
// # What is noticed
//
// Whoever has the files and not the key can read nothing but their names, sizes and times,
// and which blocks were written when. A block that was changed, that was moved within its
// file or comes from another one, is not read: the error says "damaged". So is one that is
// cut. Keep the file of each database to pages of 4,096 bytes or more: of smaller ones a
// power cut can take along the neighbours, which SQLite's journal does not have. They are
// noticed as damaged, not repaired.
//
// # What is not noticed
//
// That a block, or a whole file, was put back as it was earlier, under the same name or
// another. That a file was cut between two blocks, or removed: SQLite notices it for a
// database that is shorter than it says, and for a journal or a WAL it is what a crash
// leaves, so that the database is as it was before a transaction, or in the middle of one
// if only its journal is taken away. That a journal or a WAL was changed: see below.
//
// # After a crash
//
// A block that was being written may be torn. In a journal or a WAL it then is as it was
// before, or zeros, and SQLite's own checksums tell how far to take it. In any other file
// it is damaged until it is written again as a whole, which is what SQLite does from
// the journal. Before that SQLite looks at the first 100 bytes of a database without
// trusting them, so a read of no more than those gets zeros from a damaged block. And
// whoever takes a database over copies all of it, damage included: a read of more than
// 65,536 bytes, which is more than any page, gets a mark for each damaged block, which
// only the key can make; to write that mark makes a damaged block again.
package main
