package leasefile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
)

// workerVariable makes the test binary a worker: it holds the path of the
// register, the worker's name and how often it is to count, between newlines.
const workerVariable = "HOLDFAST_TEST_LEASEFILE_WORKER"

func TestMain(m *testing.M) {
	if job := os.Getenv(workerVariable); job != "" {
		if err := work(strings.Split(job, "\n"), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A tally is the value that workers count in: how often each of them has.
type tally struct {
	Total int
	By    map[string]int
}

// work counts, and prints the number after each count that was acknowledged.
func work(job []string, out io.Writer) error {
	r := New(afero.NewOsFs(), job[0])
	goal, err := strconv.Atoi(job[2])
	if err != nil {
		return err
	}
	for done := 0; done < goal; {
		won, err := count(context.Background(), r, job[1], done+1)
		if err != nil {
			return err
		}
		if won {
			done++
			fmt.Fprintln(out, done)
		}
	}
	return nil
}

// count makes name's count n, if nobody is faster. Doubt about the try before is
// resolved by looking.
func count(ctx context.Context, r *Register, name string, n int) (bool, error) {
	sum := tally{By: map[string]int{}}
	value, version, err := r.Read(ctx)
	if err != nil {
		return false, err
	}
	if version != locking.Unused {
		if err := json.Unmarshal(value, &sum); err != nil {
			return false, err
		}
	}
	if sum.By[name] == n {
		return true, nil // it was in doubt, and took effect
	}
	if sum.By[name] != n-1 {
		return false, fmt.Errorf("%s counted %d times, but the register says %d", name, n-1, sum.By[name])
	}
	sum.Total++
	sum.By[name]++
	if value, err = json.Marshal(sum); err != nil {
		return false, err
	}
	_, err = r.CompareAndSwap(ctx, version, value)
	if errors.Is(err, locking.ErrConflict) || errors.Is(err, locking.ErrDoubt) {
		return false, nil
	}
	return err == nil, err
}

func worker(t *testing.T, dir, name string, goal int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // against a hang: a slow disk takes minutes
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), workerVariable+"="+strings.Join([]string{dir, name, strconv.Itoa(goal)}, "\n"))
	cmd.Stderr = os.Stderr
	return cmd
}

// Processes race: no count is lost, none is made twice, and no file is left.
func TestProcesses(t *testing.T) {
	const processes, counts = 4, 50
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	want := tally{Total: processes * counts, By: map[string]int{}}
	var wg sync.WaitGroup
	for i := range processes {
		name := fmt.Sprintf("worker %d", i)
		want.By[name] = counts
		cmd := worker(t, dir, name, counts)
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	got, version := readTally(t, dir)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tally (-want +got):\n%s", diff)
	}
	if s, _ := parseState(string(version)); s.number != processes*counts {
		t.Errorf("%d counts took %d swaps", processes*counts, s.number)
	}
	checkFiles(t, dir, 2)
}

// Processes are killed in the middle: what they were told is there, at most one
// count more, and whoever comes after goes on and cleans up.
func TestKilledProcesses(t *testing.T) {
	const rounds = 6
	dir := filepath.Join(t.TempDir(), "app.db.lease")
	told := map[string]int{}
	for round := range rounds {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 3 {
			name := fmt.Sprintf("worker %d.%d", round, i)
			cmd := worker(t, dir, name, 1<<20)
			acks := runAndKill(t, cmd, 1+round*5)
			wg.Go(func() {
				n := <-acks
				mu.Lock()
				defer mu.Unlock()
				told[name] = n
			})
		}
		wg.Wait()
	}
	sum, version := readTally(t, dir)
	for name, n := range told {
		if got := sum.By[name]; got != n && got != n+1 {
			t.Errorf("%s was told %d, the register says %d", name, n, got)
		}
	}
	total := 0
	for _, n := range sum.By {
		total += n
	}
	if total != sum.Total {
		t.Errorf("total %d, sum %d", sum.Total, total)
	}
	r := New(unsynced(), dir)
	for range sweepEvery {
		version = mustSwap(t, r, version, "{}")
	}
	checkFiles(t, dir, 2)
}

// runAndKill kills a worker once it was told of so many counts, and sends how
// many it was told of.
func runAndKill(t *testing.T, cmd *exec.Cmd, after int) <-chan int {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acks := make(chan int, 1)
	go func() {
		n := 0
		for lines := bufio.NewScanner(out); ; n++ {
			if n == after {
				_ = cmd.Process.Kill()
			}
			if !lines.Scan() {
				break
			}
		}
		_ = cmd.Wait() // it says that it was killed
		acks <- n
	}()
	return acks
}

func readTally(t *testing.T, dir string) (sum tally, version locking.Version) {
	t.Helper()
	value, version, err := New(afero.NewOsFs(), dir).Read(t.Context())
	if err == nil {
		err = json.Unmarshal(value, &sum)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sum, version
}

func checkFiles(t *testing.T, dir string, want int) {
	t.Helper()
	if got := names(t, dir); len(got) != want {
		t.Errorf("%d files, want %d: %q", len(got), want, got)
	}
}
