package locking

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// unshare returns the command that runs another one in new namespaces, as root or,
// for others, in a user namespace. It skips the test where the system has none.
func unshare(t *testing.T, flags ...string) []string {
	t.Helper()
	var refused []string
	for _, user := range [][]string{nil, {"--user", "--map-root-user"}} {
		command := append(append([]string{"unshare", "--fork"}, user...), flags...)
		out, err := exec.Command(command[0], append(command[1:], "true")...).CombinedOutput()
		if err == nil {
			return command
		}
		refused = append(refused, strings.Join(command, " ")+": "+err.Error()+": "+strings.TrimSpace(string(out)))
	}
	t.Skipf("NOT TESTED HERE, this system lets nobody make a namespace:\n%s", strings.Join(refused, "\n"))
	return nil
}

// A judge tells where it sees itself in /proc, then answers whether the holders
// it reads are dead.
func judge() {
	tell(Self())
	proc, err := os.Readlink("/proc/self")
	if err != nil {
		log.Fatal(err)
	}
	tell(proc)
	for in := json.NewDecoder(os.Stdin); ; {
		var h Holder
		if err := in.Decode(&h); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		tell(h.Dead())
	}
}

// startJudge starts a judge and tells by which pid it sees itself in /proc.
func startJudge(behind ...string) (c *child, proc string, err error) {
	if c, err = newChild("judge", behind...); err != nil {
		return nil, "", err
	}
	return c, proc, c.read(&proc)
}

func (c *child) judges(h Holder) (dead bool, err error) {
	if err := c.write(h); err != nil {
		return false, err
	}
	return dead, c.read(&dead)
}

func TestDeadSeenFromOtherNamespace(t *testing.T) {
	alive, killed := startChild(t, "live"), startChild(t, "live")
	if err := errors.Join(killed.kill(), killed.reap()); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"other pids":                  {"--pid"},
		"other pids and other /proc":  {"--pid", "--mount-proc"},
		"same pids, other boot clock": {"--time", "--boottime", "100000"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := startJudge(unshare(t, flags...)...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.cmd.Wait()
			defer c.stdin.Close()
			if own := Self(); c.self.Boot != own.Boot || c.self.Namespace == own.Namespace {
				t.Fatalf("the judge is %+v: want our boot %q, and another namespace than %q", c.self, own.Boot, own.Namespace)
			}
			for what, h := range map[string]Holder{"alive": alive.self, "reaped": killed.self, "ourselves": Self()} {
				if dead, err := c.judges(h); dead || err != nil {
					t.Errorf("%s, seen from inside: Dead() = %v, %v, want false", what, dead, err)
				}
			}
			if c.self.Dead() {
				t.Error("the judge, seen from outside: Dead() = true, want false")
			}
		})
	}
}

// Verdicts is what a family reports.
type Verdicts struct{ Init, Alive, Zombie, Reaped bool }

// family judges itself and a child at each stage of the child's life.
func family() {
	self := Self()
	tell(self)
	c, err := newChild("live")
	if err != nil {
		log.Fatal(err)
	}
	v := Verdicts{Init: self.Dead(), Alive: c.self.Dead()}
	if err := c.kill(); err != nil {
		log.Fatal(err)
	}
	v.Zombie = c.self.Dead()
	if err := c.reap(); err != nil {
		log.Fatal(err)
	}
	v.Reaped = c.self.Dead()
	tell(v)
}

func TestDeadInsideNamespace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		want  Verdicts
	}{
		// Here /proc shows the pids of the parent namespace: other processes by
		// the same numbers, which started at other times.
		{"/proc of the parent", []string{"--pid"}, Verdicts{Reaped: true}},
		{"/proc of its own", []string{"--pid", "--mount-proc"}, Verdicts{Zombie: true, Reaped: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startChild(t, "family", unshare(t, tt.flags...)...)
			if c.self.PID != 1 {
				t.Fatalf("the family's first pid is %d, want 1", c.self.PID)
			}
			var got Verdicts
			if err := c.read(&got); err != nil || got != tt.want {
				t.Errorf("verdicts = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// lookalike finds a judge that has the same pid here and in the parent namespace,
// whose /proc it sees, and asks it about this very process: pid 1, as which /proc
// shows another that started earlier. It tells whether the judge was misled.
func lookalike() {
	self := Self()
	tell(self)
	if st, ok := readProcessStat("1"); !ok || st.start == self.Start {
		log.Fatalf("pid 1 of the parent namespace is %+v, %v: want another start than %s", st, ok, self.Start)
	}
	for range 100 {
		c, proc, err := startJudge()
		if err != nil {
			log.Fatal(err)
		}
		there, err := strconv.Atoi(proc)
		if err != nil {
			log.Fatal(err)
		}
		if there == c.self.PID {
			misled, err := c.judges(self)
			if err != nil {
				log.Fatal(err)
			}
			tell(misled)
			return
		}
		c.stdin.Close()
		c.cmd.Wait()
		if err := skipPIDs(there - c.self.PID); err != nil {
			log.Fatal(err)
		}
	}
	log.Fatal("never got the same pid in both namespaces")
}

// skipPIDs makes the next pid in this namespace n higher than it would have been.
func skipPIDs(n int) error {
	const path = "/proc/sys/kernel/ns_last_pid"
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strconv.Itoa(last+n)), 0)
}

func TestDeadSamePIDInBothNamespaces(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/ns_last_pid"); err != nil {
		t.Skipf("NOT TESTED HERE, this kernel does not let a test choose a pid: %v", err)
	}
	// The outer namespace is as good as empty, so that pids there are no others'.
	outer := unshare(t, "--pid", "--mount-proc")
	// Start times are counted in hundredths of a second; the two first pids must differ.
	c := startChild(t, "lookalike", append(outer, "sh", "-c", `sleep 0.1; exec unshare --fork --pid "$@"`, "sh")...)
	var misled bool
	if err := c.read(&misled); err != nil || misled {
		t.Errorf("a judge that /proc shows by its own pid says pid 1 is dead: %v, %v, want false", misled, err)
	}
}
