// Package undelegated opens files so that an NFS server does not delegate them to this
// machine.
//
// With a delegation, an NFS 4 server promises a client to ask it before anybody else
// changes the file. So when the client cannot be reached, whoever wants to write to
// the file, or to remove it, waits until the server gives that client up: its lease
// time, 90 seconds by default on Linux, and more, since who waits asks again at growing
// intervals. All that lies in the same directory waits too, as the kernel keeps a
// directory locked while it removes a name from it. Between machines that all work, a
// delegation costs whoever comes next 0.1 seconds and more.
//
// For files that several machines write in turn a delegation is of no use. NFS 4.1 and
// later have a way to say that none is wanted (WANT_NO_DELEG, RFC 8881, section 18.16),
// which Linux takes when a file is opened for direct I/O. NFS 4.0 has none, and NFS 3 no
// delegations.
package undelegated
