//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// A fault is one thing that happens while everybody works. It happens to the victim, or
// to the server; when it returns, all is as before.
type fault struct {
	name  string
	about string
	short bool // also if it is to be short
	all   bool // it happens to everybody, so nobody can be expected to go on meanwhile
	do    func(ctx context.Context, r *round) error

	remote bool // only with a lock that a server keeps
}

var faults = []fault{
	{name: "none", about: "nothing", do: func(ctx context.Context, r *round) error { return sleep(ctx, 15*time.Second) }},
	{name: "cut-3s", about: "link cut for less than the ttl", do: cut(3 * time.Second)},
	{name: "cut-15s", about: "link cut for longer than the ttl", short: true, do: cut(15 * time.Second)},
	{name: "cut-45s", about: "link cut for 45 s", do: cut(45 * time.Second)},
	{name: "cut-215s", about: "link cut for longer than an SMB client waits", do: cut(215 * time.Second)},
	{name: "pause-15s", about: "machine frozen for longer than the ttl, its clocks too", do: pause(15 * time.Second)},
	{name: "pause-45s", about: "machine frozen for 45 s", do: pause(45 * time.Second)},
	{name: "kill", about: "program killed, with pages its kernel has not sent", short: true, do: killProgram},
	{name: "cut-kill", about: "link cut, program killed, its last operations land when the link is back", do: cutAndKill},
	{name: "power-off", about: "machine switched off, and on again", do: powerOff},
	{name: "server-crash", about: "server crashes and reboots", all: true, do: crashServer},
	{name: "server-pause", about: "server frozen for 15 s", all: true, do: pauseServer},
	{name: "disk-full", about: "the server's disk full for 15 s", all: true, do: fillDisk},
	{name: "clock-hour", about: "the victim's clock an hour off", do: wrongClock},
	{name: "clock-fast", about: "the victim's clocks run 1 % fast, and it is cut for 15 s", do: fastClock},
	{name: "neighbour", about: "a second program on the victim's machine, and the first one is killed", do: neighbour},
	{name: "lock-cut-45s", about: "the lock's server out of the victim's reach for 45 s, while the files are not", short: true, remote: true, do: cutLock},
}

func cut(d time.Duration) func(context.Context, *round) error {
	return func(ctx context.Context, r *round) error {
		m := r.machine(victim)
		if err := m.Cut(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
		return m.Restore(ctx)
	}
}

func cutLock(ctx context.Context, r *round) error {
	m := r.machine(victim)
	if err := m.CutHost(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, 45*time.Second); err != nil {
		return err
	}
	return m.Restore(ctx)
}

func pause(d time.Duration) func(context.Context, *round) error {
	return func(ctx context.Context, r *round) error {
		m := r.machine(victim)
		if err := m.Pause(ctx); err != nil {
			return err
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
		return m.Resume(ctx)
	}
}

// outage is how long those faults last that can last for any time.
const outage = 15 * time.Second

func killProgram(ctx context.Context, r *round) error {
	if err := r.each(func(s *subject) error { return s.procs[victim].kill() }); err != nil {
		return err
	}
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	return r.each(func(s *subject) error { return s.replace(ctx, victim) })
}

func cutAndKill(ctx context.Context, r *round) error {
	m := r.machine(victim)
	if err := m.Cut(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // so that everybody is in the middle of something
		return err
	}
	if err := r.each(func(s *subject) error { return s.procs[victim].kill() }); err != nil {
		return err
	}
	if err := sleep(ctx, 2*outage); err != nil {
		return err
	}
	if err := m.Restore(ctx); err != nil {
		return err
	}
	return r.each(func(s *subject) error { return s.replace(ctx, victim) })
}

func powerOff(ctx context.Context, r *round) error {
	m := r.machine(victim)
	if err := m.Off(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	if err := m.On(ctx); err != nil {
		return err
	}
	if err := r.lab.putWorkers(ctx, m); err != nil {
		return err
	}
	return r.each(func(s *subject) error { return s.replace(ctx, victim) })
}

func crashServer(ctx context.Context, r *round) error {
	if err := r.lab.cluster.Server.Reset(ctx); err != nil {
		return err
	}
	return sleep(ctx, 2*outage) // NFS clients come back within the grace period
}

func pauseServer(ctx context.Context, r *round) error {
	s := r.lab.cluster.Server
	if err := s.Pause(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	return s.Resume(ctx)
}

func fillDisk(ctx context.Context, r *round) error {
	// All but what a file system keeps for itself, and then the rest byte by byte.
	const fill = "cd /srv/export; df -k . | awk 'NR==2{print $4}' | { read n; fallocate -l $((n-64))K ballast; }; dd if=/dev/zero of=ballast2 bs=4k 2>/dev/null; df -k . | awk 'NR==2{print $4}'"
	left, err := r.lab.server(ctx, fill)
	if err != nil {
		return err
	}
	r.lab.sayf("disk full: %s KB left", left)
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	_, err = r.lab.server(ctx, "rm -f /srv/export/ballast /srv/export/ballast2")
	return err
}

func wrongClock(ctx context.Context, r *round) error {
	m := r.machine(victim)
	for _, by := range []string{"+ 3600", "- 7200", "+ 3600"} {
		if _, err := shell(ctx, m, fmt.Sprintf("date -s @$(( $(date +%%s) %s ))", by)); err != nil {
			return err
		}
		if err := sleep(ctx, outage/2); err != nil {
			return err
		}
	}
	return nil
}

func fastClock(ctx context.Context, r *round) error {
	const usual, fast = 10000, 10100 // µs a tick of 100 in a second
	m := r.machine(victim)
	set := func(tick int) error {
		_, err := shell(ctx, m, fmt.Sprintf("adjtimex -t %d >/dev/null", tick))
		return err
	}
	if err := set(fast); err != nil {
		return err
	}
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	if err := cut(outage)(ctx, r); err != nil {
		return err
	}
	return set(usual)
}

func neighbour(ctx context.Context, r *round) error {
	err := r.each(func(s *subject) error {
		p, err := s.lab.start(ctx, victim, s.who)
		if err != nil {
			return err
		}
		first := s.procs[victim]
		s.procs[victim] = p
		if err := s.work(ctx, p, "n"); err != nil {
			return err
		}
		if err := sleep(ctx, outage/2); err != nil {
			return err
		}
		return first.kill()
	})
	if err != nil {
		return err
	}
	return sleep(ctx, outage/2)
}
