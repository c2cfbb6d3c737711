//go:build linux

package main

import (
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
)

// journalModes are those that a fence allows.
var journalModes = []string{"delete", "truncate", "persist", "wal"}

func mountNames() (names []string) {
	for _, m := range machine.Mounts {
		names = append(names, m.Name)
	}
	return names
}

func faultNames() (names []string) {
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

func momentNames() (names []string) {
	for _, m := range moments {
		names = append(names, m.name)
	}
	return names
}

func guardNames() (names []string) {
	for _, g := range guards {
		names = append(names, g.name)
	}
	return names
}

// chosenMounts are those of the command line; all, or two if it is to be short.
func (l *lab) chosenMounts() []string {
	switch {
	case len(l.mounts) > 0:
		return l.mounts
	case l.short:
		return []string{"nfs42", "smb"}
	}
	return mountNames()
}

func (l *lab) chosenFaults() (chosen []fault) {
	for _, f := range faults {
		if f.remote && !l.remote() {
			continue
		}
		if slices.Contains(l.faults, f.name) || len(l.faults) == 0 && (f.short || !l.short) {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// stockRuns reports whether stock SQLite can write at all there: on SMB the kernel's locks
// are mandatory unless nobrl takes them away, and each write is refused.
func stockRuns(mount string) bool { return !strings.HasPrefix(mount, "smb") || mount == "smb-nobrl" }
