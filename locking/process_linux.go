package locking

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func readIdentity() processIdentity {
	var own processIdentity
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		own.boot = strings.TrimSpace(string(id))
	}
	own.namespace = readNamespace()
	if st, ok := readProcessStat("self"); ok {
		own.start = st.start
	}
	return own
}

// readNamespace returns the pid namespace and, where there are any, the time
// namespace: /proc shifts the start times that it shows by the reader's own
// boot-time offset, so they compare only within one.
func readNamespace() string {
	pid, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	clock, err := os.Readlink("/proc/self/ns/time")
	switch {
	case errors.Is(err, fs.ErrNotExist): // a kernel before 5.6
		return pid
	case err != nil:
		return ""
	}
	return pid + " " + clock
}

// gone reports whether it is proven that the process of our own pid namespace that
// had this pid and start is gone.
func gone(pid int, start string) bool {
	// kill takes 0 and negative numbers for groups, and cuts off the upper half.
	if pid <= 0 || pid > math.MaxInt32 {
		return false
	}
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	if !procIsOurs() {
		return false
	}
	st, ok := readProcessStat(strconv.Itoa(pid))
	if !ok {
		return false
	}
	return st.ended() || start != "" && st.start != start
}

// procIsOurs reports whether /proc shows the pid namespace that kill looks pids
// up in. After "unshare --pid --fork" without "--mount-proc" it shows the parent's,
// where our pid numbers belong to others. That /proc/self names our own pid does not
// settle it, since one process can have the same number in both. NSpid has one
// number for each namespace from that of /proc down to the innermost.
func procIsOurs() bool {
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && innermost(string(status), os.Getpid())
}

// innermost reports whether a /proc/PID/status tells of one namespace only, in
// which the process is pid.
func innermost(status string, pid int) bool {
	for line := range strings.Lines(status) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.TrimSpace(numbers) == strconv.Itoa(pid)
		}
	}
	return false // a kernel before 4.1
}

// A processStat is what is used of /proc/PID/stat.
//
// https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
type processStat struct {
	state   string
	threads int
	start   string // clock ticks since boot
}

// ended reports whether the process has ended though its pid is still taken. A
// main thread that ended while other threads go on shows state Z as well.
func (st processStat) ended() bool {
	return (st.state == "Z" || st.state == "X") && st.threads <= 1
}

func readProcessStat(pid string) (processStat, bool) {
	line, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return processStat{}, false
	}
	return parseProcessStat(string(line))
}

func parseProcessStat(line string) (processStat, bool) {
	// The program's name in parentheses may itself have spaces and parentheses.
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return processStat{}, false
	}
	const first = 3 // the number of the field after the name
	fields := strings.Fields(line[end+1:])
	if len(fields) <= 22-first {
		return processStat{}, false
	}
	threads, err := strconv.Atoi(fields[20-first])
	if err != nil {
		return processStat{}, false
	}
	return processStat{state: fields[3-first], threads: threads, start: fields[22-first]}, true
}
