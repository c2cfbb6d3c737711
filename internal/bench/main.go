// Bench measures Holdfast against what a program would use instead, and prints
// the results as Markdown:
//
//	go run ./internal/bench
//
// Everything is a ratio taken within one run. The sides of a comparison take
// turns, in short slices and in changing order, so that whatever else the machine
// does meets all of them; the first comparison has the same thing on both sides
// and shows what the ratios are worth. It needs three minutes, and 5 GB of a local
// disk: -dir says where, and whatever it creates there it removes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/fstype"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if len(os.Args) > 3 && os.Args[1] == childArg {
		slog.SetLogLoggerLevel(slog.LevelError) // that holders die is what is measured
		exit(child(ctx, os.Args[2], os.Args[3], os.Stdin, os.Stdout))
	}
	exit(run(ctx, os.Args[1:], os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A bench is one run.
type bench struct {
	ctx    context.Context
	out    io.Writer
	dir    string        // for the databases
	rounds int           // how often the sides of a comparison take turns
	slice  time.Duration // how long one of them has each time
	only   string        // part of the names of the sections to run
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	b := bench{ctx: ctx, out: out}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.IntVar(&b.rounds, "rounds", 75, "how often the sides of a comparison take turns, at least 7")
	flags.DurationVar(&b.slice, "slice", 15*time.Millisecond, "how long a side runs each time")
	flags.StringVar(&b.only, "only", "", "run only the sections with this in their name")
	where := flags.String("dir", ".", "a directory on a local disk")
	flags.Parse(args)
	if b.rounds < 7 {
		return fmt.Errorf("%d rounds say nothing: use 7 or more", b.rounds)
	}
	if b.dir, err = os.MkdirTemp(*where, "holdfast-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if err := b.machine(); err != nil {
		return err
	}
	return b.sections()
}

func (b *bench) sections() error {
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"kernel locks", b.kernelLocks},
		{"lease file", b.leaseFile},
		{"fence: commits", b.fencedCommits},
		{"fence: takeovers", b.takeovers},
		{"register operations", b.registerOperations},
		{"two processes", b.twoProcesses},
	} {
		if !strings.Contains(s.name, b.only) {
			continue
		}
		fmt.Fprintf(b.out, "\n## %s%s\n", strings.ToUpper(s.name[:1]), s.name[1:])
		if err := s.run(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// machine says in general words where this runs.
func (b *bench) machine() error {
	files, err := fstype.Of(b.dir)
	if err != nil {
		return err
	}
	if files.Network || files.Name == "tmpfs" {
		return fmt.Errorf("%q lies on %s: choose a local disk with -dir", b.dir, files.Name)
	}
	_, err = fmt.Fprintf(b.out, "%s/%s, %d cores, %s, %s; %d rounds of %v\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), files.Name, runtime.Version(), b.rounds, b.slice)
	return err
}

// place returns a fresh directory for one database.
func (b *bench) place() (string, error) { return os.MkdirTemp(b.dir, "") }
