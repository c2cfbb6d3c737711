//go:build unix

package shell

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipesAreGivenUp: a file to read may be a pipe that nobody opens, or to which
// nothing more is written. An interrupt ends that, and so does being told to end.
func TestPipesAreGivenUp(t *testing.T) {
	for _, command := range []string{".import --csv FIFO t", ".read FIFO"} {
		for _, opened := range []bool{false, true} {
			for _, interrupt := range []bool{false, true} {
				t.Run(command, func(t *testing.T) {
					fifo := filepath.Join(t.TempDir(), "fifo")
					if err := syscall.Mkfifo(fifo, 0o600); err != nil {
						t.Fatal(err)
					}
					if opened {
						f, err := os.OpenFile(fifo, os.O_RDWR, 0)
						if err != nil {
							t.Fatal(err)
						}
						defer f.Close()
						if _, err := f.WriteString("-- 1\n-- 2\n"); err != nil {
							t.Fatal(err)
						}
					}
					db := database(t)
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					interrupts := make(chan os.Signal, 1)
					out := newFollower()
					var told bytes.Buffer
					ended := make(chan error, 1)
					go func() {
						ended <- Run(ctx, Options{Target: db, Out: out, Err: &told, Interrupts: interrupts,
							Statements: []string{"CREATE TABLE t(a)", ".print begins", strings.ReplaceAll(command, "FIFO", fifo)}})
					}()
					out.await(t, "begins\n")
					want := error(ErrFailed)
					if interrupt {
						interrupts <- os.Interrupt
					} else {
						want = errors.New("told to end")
						cancel(want)
					}
					select {
					case err := <-ended:
						if !errors.Is(err, want) {
							t.Errorf("the shell returned %v, want %v", err, want)
						}
					case <-time.After(20 * time.Second):
						t.Fatal("the shell waits still")
					}
					if !strings.Contains(told.String(), "interrupted") {
						t.Errorf("it said %q", told.String())
					}
					run(t, Options{Target: db, Statements: []string{"SELECT count(*) FROM t"}}).check(t, "0\n", "", false)
				})
			}
		}
	}
}
