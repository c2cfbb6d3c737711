//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
)

// How a machine's clock is judged.
const (
	clockWatch = 4 * time.Second // by the host's
	clockOff   = 0.1             // a rate that is further from 1 is wrong; a clock that is 1 % fast is a fault of its own
	clockTries = 3
)

// settleClocks restarts machines whose clocks run at a wrong rate: on a busy host an
// emulated machine may measure its processor several times too slow while it boots. No
// lease can do with that.
func (l *lab) settleClocks(ctx context.Context) error {
	var all errgroup.Group
	for _, m := range append(l.cluster.Clients, l.cluster.Server) {
		all.Go(func() error {
			for range clockTries {
				rate, err := clockRate(ctx, m)
				if err != nil {
					return err
				}
				if rate > 1-clockOff && rate < 1+clockOff {
					return nil
				}
				l.sayf("the clock of %s runs at %.2f of the host's: it is restarted", m.Name(), rate)
				if err := m.Reset(ctx); err != nil {
					return err
				}
			}
			return fmt.Errorf("the clock of %s runs at a wrong rate after %d restarts: try again when this host is less busy", m.Name(), clockTries)
		})
	}
	return all.Wait()
}

// clockRate returns how fast a machine's monotonic clock runs by that of the host.
func clockRate(ctx context.Context, m *machine.Machine) (float64, error) {
	first, began, err := uptime(ctx, m)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, clockWatch); err != nil {
		return 0, err
	}
	last, ended, err := uptime(ctx, m)
	if err != nil {
		return 0, err
	}
	return (last - first) / ended.Sub(began).Seconds(), nil
}

// uptime returns a machine's, in seconds, and about when that was.
func uptime(ctx context.Context, m *machine.Machine) (seconds float64, at time.Time, err error) {
	asked := time.Now()
	out, err := shell(ctx, m, "cat /proc/uptime")
	if err != nil {
		return 0, at, err
	}
	answered := time.Now()
	first, _, _ := strings.Cut(out, " ")
	seconds, err = strconv.ParseFloat(first, 64)
	return seconds, asked.Add(answered.Sub(asked) / 2), err
}
