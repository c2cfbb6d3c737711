// Remote measures leases in Kubernetes and in S3 beside what a program would use instead,
// client-go's leader election and Litestream's leaser, and prints a table as Markdown:
//
//	cd internal/bench/remote && go run .
//
// The servers are real ones on this machine, so what is measured is what a client adds to
// them. Sides take turns. It is a module of its own: what it compares with is not to be
// among the requirements of the one that it is for.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"k8s.io/klog/v2"

	"github.com/holdfastdb/holdfast/internal/testservers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	slog.SetLogLoggerLevel(slog.LevelError)
	klog.SetLogger(klog.Logger{})
	only := flag.String("only", "", "times or requests; both by default")
	flag.Parse()
	err := run(ctx, *only)
	testservers.StopShared()
	if err != nil {
		fmt.Fprintln(os.Stderr, "remote:", err)
		os.Exit(1)
	}
}

// rounds is how often each side does everything.
const rounds = 100

// What a side does in a round, in this order.
const (
	acquire  = "acquire"
	renew    = "renew"
	verify   = "verify"
	release  = "release"
	handOver = "hand-over"
)

// A side is one way to have a lease.
type side struct {
	name  string
	round func(ctx context.Context, note func(what string, took time.Duration)) error
	close func()
	took  map[string][]time.Duration
}

func run(ctx context.Context, only string) error {
	if only != "requests" {
		if err := times(ctx); err != nil {
			return err
		}
	}
	if only != "times" {
		return countRequests(ctx)
	}
	return nil
}

// times prints how long each side takes for each step.
func times(ctx context.Context) error {
	var sides []*side
	defer func() {
		for _, s := range sides {
			if s.close != nil {
				s.close()
			}
		}
	}()
	for _, make := range []func(context.Context) ([]*side, error){fileSides, kubeSides, s3Sides} {
		more, err := make(ctx)
		if err != nil {
			return err
		}
		sides = append(sides, more...)
	}
	for _, s := range sides {
		s.took = map[string][]time.Duration{}
	}
	for i := range rounds {
		for k := range sides {
			s := sides[(i+k)%len(sides)]
			err := s.round(ctx, func(what string, took time.Duration) { s.took[what] = append(s.took[what], took) })
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	t := table.NewWriter()
	header := table.Row{"p50 / p99 of " + fmt.Sprint(rounds)}
	steps := []string{acquire, renew, verify, release, handOver}
	for _, what := range steps {
		header = append(header, what)
	}
	t.AppendHeader(header)
	for _, s := range sides {
		row := table.Row{s.name}
		for _, what := range steps {
			row = append(row, quantiles(s.took[what]))
		}
		t.AppendRow(row)
	}
	fmt.Println(t.RenderMarkdown())
	return nil
}

func quantiles(d []time.Duration) string {
	if len(d) == 0 {
		return ""
	}
	d = slices.Sorted(slices.Values(d))
	at := func(q float64) time.Duration { return d[int(q*float64(len(d)-1))].Round(10 * time.Microsecond) }
	return fmt.Sprintf("%v / %v", at(0.5), at(0.99))
}

// timed notes how long something took.
func timed(note func(string, time.Duration), what string, do func() error) error {
	began := time.Now()
	err := do()
	note(what, time.Since(began))
	return err
}
