package locking

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
)

// Self returns this process as a [Holder] that was never seen before: its ID is
// drawn anew at every call. Pod is the environment variable POD_NAME. Boot,
// Namespace and Start are empty where the system does not tell them, which is
// everywhere but on Linux.
func Self() Holder {
	host, _ := os.Hostname()
	own := identity()
	return Holder{
		ID:        newID(),
		Host:      host,
		PID:       os.Getpid(),
		Pod:       os.Getenv("POD_NAME"),
		Program:   program(),
		Boot:      own.boot,
		Namespace: own.namespace,
		Start:     own.start,
	}
}

// newID returns a name that was never given before.
func newID() string {
	var id [12]byte
	rand.Read(id[:]) // never fails: it ends the process if it cannot
	return hex.EncodeToString(id[:])
}

// A processIdentity tells a process from all others that ever have the same pid.
// Whatever the system does not tell is empty.
type processIdentity struct{ boot, namespace, start string }

// identity returns that of this process, which never changes.
var identity = sync.OnceValue(readIdentity)

func program() string {
	if len(os.Args) > 0 && os.Args[0] != "" {
		return filepath.Base(os.Args[0])
	}
	if exe, err := os.Executable(); err == nil {
		return filepath.Base(exe)
	}
	return ""
}

// Dead reports whether it is proven that this very process is gone from this
// very host. It is false whenever anything is unclear, and always on systems
// other than Linux.
//
// The pid alone proves nothing: in containers every program is pid 1. So the
// kernel's boot identifier and the pid namespace must be ours too, and then
// either no process has that pid, or the one that has it started at another
// time, or it has ended and only its parent has not noticed.
//
// The proof assumes that a boot identifier belongs to one running machine. Two
// machines resumed from one snapshot share it; they are told apart only if
// their host names differ.
func (h Holder) Dead() bool {
	if h.Boot == "" || h.Namespace == "" {
		return false
	}
	own := identity()
	if h.Boot != own.boot || h.Namespace != own.namespace {
		return false
	}
	if host, err := os.Hostname(); err != nil || h.Host != "" && h.Host != host {
		return false
	}
	return gone(h.PID, h.Start)
}
