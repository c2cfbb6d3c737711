package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

const mountInfo = `22 1 0:2 / / rw - rootfs rootfs rw
31 22 0:24 / /mnt/nfs42 rw,relatime shared:9 - nfs4 10.77.0.1:/ rw,vers=4.2,hard
32 22 0:25 / /mnt/nfs4 rw,relatime - nfs4 10.77.0.1:/ rw,vers=4.0,hard
33 22 0:26 / /mnt/cifs rw,relatime - cifs //10.77.0.1/export rw,vers=3.1.1
`

func TestMountOf(t *testing.T) {
	for dir, want := range map[string]mounted{
		"/mnt/nfs42":     {"/mnt/nfs42", "nfs4", "10.77.0.1:/"},
		"/mnt/nfs42/a/b": {"/mnt/nfs42", "nfs4", "10.77.0.1:/"},
		"/mnt/nfs4/a":    {"/mnt/nfs4", "nfs4", "10.77.0.1:/"},
		"/mnt/cifs":      {"/mnt/cifs", "cifs", "//10.77.0.1/export"},
		"/tmp":           {"/", "rootfs", "rootfs"},
	} {
		if got, found := mountOf(strings.NewReader(mountInfo), dir); got != want || !found {
			t.Errorf("%s is on %v, %v; want %v", dir, got, found, want)
		}
	}
}

const mountStats = `device rootfs mounted on / with fstype rootfs
device 10.77.0.1:/ mounted on /mnt/nfs4 with fstype nfs4 statvers=1.1
	per-op statistics
	        READ: 99 99 0 1 1 1 1 1 0
device 10.77.0.1:/ mounted on /mnt/nfs42 with fstype nfs4 statvers=1.1
	opts:	rw,vers=4.2
	age:	12
	events:	1 2 3
	bytes:	1 2 3
	RPC iostats version: 1.1  p/v: 100003/4 (nfs)
	xprt:	tcp 0 0 1 0 12 15 15 0 15 0 2 0 0
	per-op statistics
	        NULL: 1 1 0 44 24 5 0 5 0
	        READ: 3 3 0 600 9000 0 7 9 0
	       WRITE: 10 11 1 4000 1200 2 50 60 1

`

func TestCallsOfNFS(t *testing.T) {
	before, found := nfsCalls(strings.NewReader(mountStats), "/mnt/nfs42")
	if !found {
		t.Fatal("it is not found")
	}
	later := strings.NewReplacer("READ: 3 3 0 600 9000 0 7 9 0", "READ: 5 5 0 600 9000 0 10 13 0", "WRITE: 10 11 1 4000 1200 2 50 60 1", "WRITE: 11 11 1 4000 1200 2 54 66 2").Replace(mountStats)
	after, _ := nfsCalls(strings.NewReader(later), "/mnt/nfs42")
	want := &workload.Calls{Mount: "/mnt/nfs42 (nfs4)", Total: 3, Ops: map[string]workload.Call{
		"READ":  {Count: 2, RTT: 3 * time.Millisecond, Whole: 4 * time.Millisecond},
		"WRITE": {Count: 1, RTT: 4 * time.Millisecond, Whole: 6 * time.Millisecond, Fails: 1},
	}}
	if d := cmp.Diff(want, after.since(before)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, found := nfsCalls(strings.NewReader(mountStats), "/mnt/cifs"); found {
		t.Error("what is not there is found")
	}
}

const smbStats = `Resources in use
CIFS Session: 1
Share (unique mount targets): 2
Operations (MIDs): 0

0 session 0 share reconnects
Total vfs operations: 65 maximum at one time: 2

Max requests in flight: 3
1) \\10.77.0.1\other
SMBs: 900
Creates: 300 total 1 failed
2) \\10.77.0.1\export
SMBs: 76
Bytes read: 0  Bytes written: 0
Open files: 0 total (local), 0 open on server
TreeConnects: 1 total 0 failed
Creates: 18 total 0 failed
Closes: 19 total 1 failed
Flushes: 0 total 0 failed
OplockBreaks: 0 sent 0 failed`

func TestCallsOfSMB(t *testing.T) {
	before, found := smbCalls(strings.NewReader(smbStats), "//10.77.0.1/export", "/mnt/cifs")
	if !found {
		t.Fatal("it is not found")
	}
	later := strings.NewReplacer("SMBs: 76", "SMBs: 80", "Creates: 18 total 0", "Creates: 20 total 1", "Closes: 19", "Closes: 20").Replace(smbStats)
	after, _ := smbCalls(strings.NewReader(later), "//10.77.0.1/EXPORT", "/mnt/cifs")
	want := &workload.Calls{Mount: "/mnt/cifs (cifs)", Total: 4, Ops: map[string]workload.Call{
		"Creates": {Count: 2, Fails: 1}, "Closes": {Count: 1},
	}}
	if d := cmp.Diff(want, after.since(before)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, found := smbCalls(strings.NewReader(smbStats), "//10.77.0.1/third", "/mnt/cifs"); found {
		t.Error("what is not there is found")
	}
}
