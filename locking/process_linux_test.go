package locking

import (
	"math"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestDead(t *testing.T) {
	alive := startChild(t, "live").self
	tests := []struct {
		name   string
		change func(h *Holder)
		want   bool
	}{
		{"alive", func(h *Holder) {}, false},
		{"pid taken by a later process", func(h *Holder) { h.Start = "1" }, true},
		{"pid taken by ourselves", func(h *Holder) { h.PID, h.Start = os.Getpid(), "1" }, true},
		{"start unknown", func(h *Holder) { h.Start = "" }, false},
		{"host unknown", func(h *Holder) { h.Host, h.Start = "", "1" }, true},
		{"other host", func(h *Holder) { h.Host, h.Start = "elsewhere", "1" }, false},
		{"other boot", func(h *Holder) { h.Boot, h.Start = "f00d", "1" }, false},
		{"boot unknown", func(h *Holder) { h.Boot, h.Start = "", "1" }, false},
		{"other namespace", func(h *Holder) { h.Namespace, h.Start = "pid:[1]", "1" }, false},
		{"namespace unknown", func(h *Holder) { h.Namespace, h.Start = "", "1" }, false},
		{"no pid", func(h *Holder) { h.PID, h.Start = 0, "1" }, false},
		{"pid of a group", func(h *Holder) { h.PID = math.MinInt32 + 1 }, false},
		{"pid of every process", func(h *Holder) { h.PID, h.Start = -1, "1" }, false},
		{"pid that the kernel would cut off", func(h *Holder) { h.PID = 1<<32 - 2 }, false},
		{"pid that nobody has", func(h *Holder) { h.PID = math.MaxInt32 }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := alive
			tt.change(&h)
			if got := h.Dead(); got != tt.want {
				t.Errorf("%+v: Dead() = %v, want %v", h, got, tt.want)
			}
		})
	}
}

func TestDeadAfterKill(t *testing.T) {
	c := startChild(t, "live")
	if c.self.Dead() {
		t.Fatal("dead before it was killed")
	}
	if err := c.kill(); err != nil {
		t.Fatal(err)
	}
	if !c.self.Dead() {
		t.Error("killed but not reaped (a zombie): Dead() = false, want true")
	}
	if err := c.reap(); err != nil {
		t.Fatal(err)
	}
	if !c.self.Dead() {
		t.Error("killed and reaped: Dead() = false, want true")
	}
}

func TestDeadStopped(t *testing.T) {
	c := startChild(t, "live")
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := c.await(wStopped); err != nil {
		t.Fatal(err)
	}
	if c.self.Dead() {
		t.Error("a stopped process is called dead")
	}
}

// A kernel that says "not permitted" says that there is such a process.
func TestDeadOfAnotherUser(t *testing.T) {
	h := Self()
	h.PID, h.Start = 1, ""
	asNobody(t, func() {
		if h.Dead() {
			t.Error("pid 1 is called dead by a user who may not signal it")
		}
	})
}

// asNobody runs f on a thread without root's rights. It has none to begin with
// unless the tests run as root.
func asNobody(t *testing.T, f func()) {
	if os.Getuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The raw calls change this one thread only; the saved id lets it come back.
	const nobody = 65534
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, 0); errno != 0 {
		t.Fatal(errno)
	}
	defer syscall.RawSyscall(syscall.SYS_SETRESUID, 0, 0, 0)
	if err := syscall.Kill(1, 0); err != syscall.EPERM {
		t.Fatalf("kill of pid 1 as nobody: %v, want %v", err, syscall.EPERM)
	}
	f()
}

// A process whose main thread ended shows state Z while its other threads write on.
func TestDeadMainThreadEnded(t *testing.T) {
	c := startChild(t, "headless")
	st, ok := readProcessStat(c.pid())
	if !ok || st.state != "Z" || st.threads < 2 {
		t.Fatalf("stat = %+v, %v, want a zombie with live threads", st, ok)
	}
	if c.self.Dead() {
		t.Error("a process with live threads is called dead")
	}
	if err := c.kill(); err != nil {
		t.Fatal(err)
	}
	if !c.self.Dead() {
		t.Error("killed: Dead() = false, want true")
	}
}

func TestParseProcessStat(t *testing.T) {
	tail := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 7 18 4242 20 21"
	for _, name := range []string{"sleep", "a b", "x) Z 1 (y", ") Z 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 9", ""} {
		st, ok := parseProcessStat("17 (" + name + ")" + tail)
		if want := (processStat{state: "S", threads: 7, start: "4242"}); !ok || st != want {
			t.Errorf("program %q: %+v, %v, want %+v", name, st, ok, want)
		}
	}
	for _, line := range []string{"", "17 (cut", "17 (cut) S 1 2", strings.Replace("17 (x)"+tail, " 7 18 ", " many 18 ", 1)} {
		if st, ok := parseProcessStat(line); ok {
			t.Errorf("%q was taken for %+v", line, st)
		}
	}
}

func TestInnermost(t *testing.T) {
	tests := []struct {
		name, status string
		want         bool
	}{
		{"ours", "Name:\tx\nNSpid:\t17\nNSpgid:\t1\n", true},
		{"of the parent, same number", "NSpid:\t17\t17\n", false},
		{"of another", "NSpid:\t18\n", false},
		{"not told", "Name:\tNSpid:\t17\nPid:\t17\n", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		if got := innermost(tt.status, 17); got != tt.want {
			t.Errorf("%s: innermost(%q) = %v, want %v", tt.name, tt.status, got, tt.want)
		}
	}
}
