package main

import (
	"bufio"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// counters are the requests that one mount has sent since it was mounted.
type counters struct {
	mount string
	ops   map[string]workload.Call
	sent  int // all, as SMB counts them by itself; 0: as many as the operations
}

// since returns what was sent after the earlier ones were read.
func (c counters) since(earlier counters) *workload.Calls {
	all := &workload.Calls{Mount: c.mount, Ops: make(map[string]workload.Call)}
	for _, op := range slices.Sorted(maps.Keys(c.ops)) {
		now, was := c.ops[op], earlier.ops[op]
		d := workload.Call{Count: now.Count - was.Count, RTT: now.RTT - was.RTT, Whole: now.Whole - was.Whole, Fails: now.Fails - was.Fails}
		if d.Count > 0 {
			all.Ops[op] = d
			all.Total += d.Count
		}
	}
	if c.sent > 0 {
		all.Total = c.sent - earlier.sent
	}
	return all
}

// nfsCalls reads the operations of the mount point out of /proc/self/mountstats. It
// reports false if it is not there, or not one of NFS.
//
// https://www.kernel.org/doc/html/latest/filesystems/nfs/index.html; the format is in net/sunrpc/stats.c of Linux
func nfsCalls(stats io.Reader, point string) (counters, bool) {
	c := counters{ops: make(map[string]workload.Call)}
	lines := bufio.NewScanner(stats)
	here, perOp := false, false
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) >= 8 && f[0] == "device":
			// device 10.77.0.1:/ mounted on /mnt/nfs42 with fstype nfs4 statvers=1.1
			here, perOp = f[4] == point && strings.HasPrefix(f[7], "nfs"), false
			if here {
				c = counters{mount: point + " (" + f[7] + ")", ops: make(map[string]workload.Call)} // the last one is on top
			}
		case here && len(f) == 2 && f[0] == "per-op":
			perOp = true
		case here && perOp && len(f) >= 9 && strings.HasSuffix(f[0], ":"):
			c.ops[strings.TrimSuffix(f[0], ":")] = nfsCall(f[1:])
		}
	}
	return c, c.mount != ""
}

// nfsCall reads the numbers of one operation: how often it was asked for, sent and not
// answered in time, bytes out and in, milliseconds in the queue, on the way and in all,
// and errors.
func nfsCall(f []string) workload.Call {
	n := make([]int, len(f))
	for i := range f {
		n[i], _ = strconv.Atoi(f[i])
	}
	c := workload.Call{Count: n[0], RTT: time.Duration(n[6]) * time.Millisecond, Whole: time.Duration(n[7]) * time.Millisecond}
	if len(n) > 8 {
		c.Fails = n[8]
	}
	return c
}

// smbCalls reads the operations of a share out of /proc/fs/cifs/Stats; several mounts
// of one share are counted together. The format is that of fs/smb/client/smb2ops.c of
// Linux.
func smbCalls(stats io.Reader, share, point string) (counters, bool) {
	c := counters{mount: point + " (cifs)", ops: make(map[string]workload.Call)}
	lines := bufio.NewScanner(stats)
	here, found := false, false
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		number, name, isShare := strings.Cut(text, ") ")
		if _, err := strconv.Atoi(number); isShare && err == nil {
			name, _, _ = strings.Cut(name, "\t")
			here = strings.EqualFold(strings.ReplaceAll(strings.Fields(name)[0], `\`, "/"), share)
			found = found || here
			continue
		}
		op, rest, isOp := strings.Cut(text, ": ")
		f := strings.Fields(rest)
		if here && op == "SMBs" && len(f) > 0 {
			n, _ := strconv.Atoi(f[0])
			c.sent += n
		}
		if !here || !isOp || len(f) < 4 || f[1] != "total" || f[3] != "failed" {
			continue
		}
		call := c.ops[op]
		count, _ := strconv.Atoi(f[0])
		fails, _ := strconv.Atoi(f[2])
		call.Count, call.Fails = call.Count+count, call.Fails+fails
		c.ops[op] = call
	}
	return c, found
}

// A mounted file system, of /proc/self/mountinfo.
type mounted struct{ point, kind, source string }

// mountOf returns the mount that a directory is on.
//
// https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
func mountOf(info io.Reader, dir string) (on mounted, found bool) {
	lines := bufio.NewScanner(info)
	for lines.Scan() {
		first, second, ok := strings.Cut(lines.Text(), " - ")
		f, g := strings.Fields(first), strings.Fields(second)
		if !ok || len(f) < 5 || len(g) < 2 {
			continue
		}
		point := f[4]
		inside := dir == point || point == "/" || strings.HasPrefix(dir, point+"/")
		if inside && len(point) >= len(on.point) {
			on, found = mounted{point, g[0], g[1]}, true
		}
	}
	return on, found
}
