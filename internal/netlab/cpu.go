//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// A load is how long processors were busy, those of the client and those of the server.
type load struct{ client, server time.Duration }

func (l load) minus(m load) load { return load{l.client - m.client, l.server - m.server} }
func (l load) plus(m load) load  { return load{l.client + m.client, l.server + m.server} }

// busy returns the load since the machines booted.
func (l *lab) busy(ctx context.Context) (b load, err error) {
	const line = "head -n 1 /proc/stat"
	out, err := shell(ctx, l.cluster.Clients[victim], line)
	if err == nil {
		b.client, err = busyOf(out)
	}
	if err != nil {
		return b, err
	}
	if out, err = l.server(ctx, line); err == nil {
		b.server, err = busyOf(out)
	}
	return b, err
}

// busyOf reads the first line of /proc/stat: the time, in hundredths of a second, for
// programs, for those that are nice, for the kernel, idle, waiting for a disk, for
// interrupts, and for what they left to do.
//
// https://man7.org/linux/man-pages/man5/proc_stat.5.html
func busyOf(line string) (time.Duration, error) {
	var user, nice, kernel, idle, disk, irq, soft int64
	_, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d", &user, &nice, &kernel, &idle, &disk, &irq, &soft)
	if err != nil {
		return 0, fmt.Errorf("/proc/stat says %q: %w", line, err)
	}
	return time.Duration(user+nice+kernel+irq+soft) * (time.Second / 100), nil
}
