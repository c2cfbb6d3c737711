package fstype

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Mount is a line of /proc/self/mountinfo.
//
// https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
type Mount struct {
	Device  string // major:minor in decimal; of the file system, which a file's own st_dev may not be
	Type    string // such as "ext4", "nfs4" or "fuse.sshfs"
	options string // of the file system
}

// Option returns the value of an option of the file system, such as "upperdir".
func (m Mount) Option(name string) string {
	for option := range strings.SplitSeq(m.options, ",") {
		if value, ok := strings.CutPrefix(option, name+"="); ok {
			return unescape(value)
		}
	}
	return ""
}

// Has reports whether the file system has an option that has no value, such as
// "nohandlecache".
func (m Mount) Has(option string) bool {
	return slices.Contains(strings.Split(m.options, ","), option)
}

// MountOf returns the mount that an open file was found by.
func MountOf(f *os.File) (Mount, error) {
	id, err := mountID(f)
	if err != nil {
		return Mount{}, err
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return Mount{}, err
	}
	defer mounts.Close()
	return findMount(bufio.NewScanner(mounts), id)
}

// mountID reads the mount of a descriptor from /proc, as other ways to ask for it
// are younger or need rights.
func mountID(f *os.File) (string, error) {
	path := fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd())
	info, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(info)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", fmt.Errorf("%s: no mnt_id", path)
}

func findMount(lines *bufio.Scanner, id string) (Mount, error) {
	for lines.Scan() {
		// 36 35 98:0 /root /mnt rw,noatime shared:1 - ext3 /dev/root rw,errors=continue
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		before, after := strings.Fields(head), strings.Fields(tail)
		if ok && len(before) >= 3 && len(after) >= 3 && before[0] == id {
			return Mount{Device: before[2], Type: unescape(after[0]), options: after[2]}, nil
		}
	}
	return Mount{}, errors.Join(lines.Err(), fmt.Errorf("no mount %s in /proc/self/mountinfo", id))
}

// unescape undoes \ooo, by which mountinfo writes white space and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
