// Package remotedir reads a directory that other machines change, so that its file
// server answers and not the memory of this machine's kernel.
//
// # NFS
//
// The kernel keeps a listing in its page cache. When the directory is opened it asks
// the server for the attributes, to see whether the listing still stands. They do not
// always tell: on NFS 3 they are time stamps, which do not move when the directory
// changes twice within a tick of the server's clock. So the pages are dropped before
// each listing, and then the attributes are of no use: the directory stays open, and a
// listing is one request instead of two.
//
// A page cannot be dropped while another process of this machine has it filled, and
// its request may be older than ours: it may have been answered before a change that
// we were told of. Since Linux 6.5 it can be asked whether a page has stayed. If one
// has, or where that cannot be asked, the directory is listed twice. A page that is
// being filled during the second listing was dropped after the first one began.
//
// A listing cannot be replaced by a look at the time stamps, not even when they are old
// and the server is made to send them (AT_STATX_FORCE_SYNC). On NFS 4 the kernel throws
// the answer away if another process of this machine changes the directory meanwhile,
// and returns the stamps from before. Measured with such a process: 2 of 101 did not
// show a change of another machine that was over before the question.
//
// # SMB
//
// Since Linux 6.1 the kernel answers a listing from its memory while the server grants
// it a lease on the directory, as Windows does, and Samba since 4.22. The server calls
// the lease back when another client changes the directory, but lets that client go on
// without waiting for us; and it does not see what is not done through SMB. No flag of
// a system call has the kernel ask. The mount option nohandlecache has it ask always.
//
// What goes to the server in any case is the question for the extended attributes of a
// file by its name. It is one round trip, in which the file is opened, asked for them
// and closed; a listing takes three. The attributes do not matter: whoever gets an
// answer knows that the name is there.
package remotedir
