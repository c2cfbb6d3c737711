package flock

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfastdb/holdfast/internal/fstype"
	"github.com/holdfastdb/holdfast/locking"
)

// A kernelLock is a line in which /proc shows a lock on a file.
type kernelLock struct {
	pid         int // 0 for a lock that belongs to an open file
	write       bool
	first, last int64 // bytes, inclusive
}

func (lk kernelLock) level() locking.Level { return levelOf(lk.write, lk.first, lk.last) }

// An inode is what /proc calls a file: the device of its file system in
// hexadecimal, and its number, as in fd:01:1234.
type inode string

// identify finds out what /proc calls an open file. What stat says of it can
// differ: btrfs has devices that are none, overlays have numbers of their own.
func identify(file *os.File) (inode, error) {
	if !procIsOurs() {
		return "", errors.New("/proc shows other processes than ours")
	}
	mount, err := fstype.MountOf(file)
	if err != nil {
		return "", err
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(mount.Device, "%d:%d", &major, &minor); err != nil {
		return "", fmt.Errorf("device %q: %w", mount.Device, err)
	}
	number, err := inodeNumber(file)
	return inode(fmt.Sprintf("%02x:%02x:%s", major, minor, number)), err
}

func inodeNumber(file *os.File) (string, error) {
	text, err := os.ReadFile(fdinfo(os.Getpid()) + strconv.Itoa(int(file.Fd())))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "ino:"); ok {
			return strings.TrimSpace(number), nil
		}
	}
	info, err := file.Stat() // a kernel before 5.14
	if err != nil {
		return "", err
	}
	return strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10), nil
}

// procIsOurs reports whether /proc shows this process by its own pid, as it does
// not in a pid namespace that was left with the /proc of its parent.
func procIsOurs() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// table returns the locks on the file that the kernel shows to everybody.
func (in inode) table() ([]kernelLock, error) { return in.read("/proc/locks", "") }

// descriptors yields the locks on the file that a process holds, by the files in
// which /proc tells of its descriptors. Those of other users tell nothing.
func (in inode) descriptors(pid int) iter.Seq2[string, []kernelLock] {
	return func(yield func(string, []kernelLock) bool) {
		dir := fdinfo(pid)
		names, err := readNames(dir)
		if err != nil {
			return
		}
		for _, name := range names {
			locks, err := in.read(dir+name, "lock:")
			if err == nil && len(locks) > 0 && !yield(dir+name, locks) {
				return
			}
		}
	}
}

func fdinfo(pid int) string { return fmt.Sprintf("/proc/%d/fdinfo/", pid) }

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// read returns the locks on the file in those lines that have a prefix.
func (in inode) read(path, prefix string) ([]kernelLock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var locks []kernelLock
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			if lk, ok := in.parse(rest); ok {
				locks = append(locks, lk)
			}
		}
	}
	return locks, nil
}

// parse reads a line such as
//
//	1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 1073741825 1073741825
//
// It leaves out locks on other files, locks of other kinds, and those, marked by
// an arrow, that somebody still waits for.
//
// https://man7.org/linux/man-pages/man5/proc_locks.5.html
func (in inode) parse(line string) (kernelLock, bool) {
	f := strings.Fields(line)
	if len(f) != 8 || f[5] != string(in) || f[1] != "POSIX" && f[1] != "OFDLCK" {
		return kernelLock{}, false
	}
	pid, pidErr := strconv.Atoi(f[4])
	first, firstErr := strconv.ParseInt(f[6], 10, 64)
	last, lastErr := strconv.ParseInt(f[7], 10, 64)
	if f[7] == "EOF" {
		last, lastErr = math.MaxInt64, nil
	}
	if pidErr != nil || firstErr != nil || lastErr != nil {
		return kernelLock{}, false
	}
	return kernelLock{pid: max(0, pid), write: f[3] == "WRITE", first: first, last: last}, true
}

// processes returns the pids of all processes.
func processes() []int {
	names, err := readNames("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// program returns the name by which a process was started, or "".
func program(pid int) string {
	if !procIsOurs() {
		return ""
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(text), "\x00")
	return name[strings.LastIndexByte(name, '/')+1:]
}
