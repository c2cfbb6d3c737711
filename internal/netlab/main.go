//go:build linux

// Netlab runs Holdfast, and stock SQLite beside it, on real NFS and SMB mounts between
// virtual machines, while links are cut, machines frozen, processes killed and the
// server crashes, and prints what became of the data:
//
//	go run ./internal/netlab             everything
//	go run ./internal/netlab --short     a few minutes of it
//	go run ./internal/netlab faults guards
//
// It needs Linux and a few packages of Debian or Ubuntu, which it names if they are
// missing, no root, and no KVM, though that makes it faster. docs/network-storage.md
// says how to read what it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "netlab:", err)
		os.Exit(1)
	}
}

// A section is one part of what the lab shows.
type section struct {
	name, about string
	run         func(*lab, context.Context) error
	remote      bool // also with a lock that a server keeps
}

// sections in the order in which they run.
var sections = []section{
	{"faults", "every mount under every fault, Holdfast and stock SQLite side by side", (*lab).runFaults, true},
	{"moments", "the worst moments for something to happen, on each mount", (*lab).runMoments, false},
	{"guards", "each guard taken away: what it prevents", (*lab).runGuards, false},
	{"stale", "reads right after another client's commit, also with the file held open beside", (*lab).runStale, false},
	{"handover", "two clients in turn, and two that contend", (*lab).runHandover, true},
	{"takeover", "from an accident of the holder to the first commit of another client", (*lab).runTakeover, true},
	{"numbers", "commits and reads of one client beside stock SQLite, and their requests", (*lab).runNumbers, false},
}

// errDamage is what the lab exits with if Holdfast broke a promise, or a guard was not needed.
var errDamage = errors.New("not everything is as promised: see the tables")

func command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "netlab [section ...]",
		Short:         "Run Holdfast on real NFS and SMB mounts under faults",
		Long:          "Run Holdfast, and stock SQLite beside it, on real NFS and SMB mounts between virtual machines under faults.\n\n" + aboutSections(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          func(_ *cobra.Command, args []string) error { return o.choose(args) },
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.short, "short", false, "fewer mounts, faults and rounds, for a few minutes")
	f.StringSliceVar(&o.mounts, "mounts", nil, "only these mounts: "+strings.Join(mountNames(), ", "))
	f.StringSliceVar(&o.faults, "faults", nil, "only these faults: "+strings.Join(faultNames(), ", "))
	f.StringSliceVar(&o.moments, "moments", nil, "only these moments: "+strings.Join(momentNames(), ", "))
	f.StringSliceVar(&o.guards, "guards", nil, "only these guards: "+strings.Join(guardNames(), ", "))
	f.StringSliceVar(&o.modes, "modes", nil, "only these journal modes, each on every mount; by default every mount has another one for each fault")
	f.StringSliceVar(&o.who, "who", []string{holdfast, stock}, "only one of holdfast and stock")
	f.StringVar(&o.lock, "lock", leaseFile, "lock of the databases: "+strings.Join(lockNames, ", ")+"; the latter two run faults, handover and takeover with a real server on this host")
	f.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of what is left to chance")
	f.DurationVar(&o.ttl, "ttl", 10*time.Second, "ttl of the leases")
	f.StringVar(&o.cache, "cache", filepath.Join(cacheDir(), "holdfast-netlab"), "directory for the machines' image, 1 GB")
	f.StringVar(&o.dir, "dir", "", "directory of this run, for the server's disk and the machines' consoles (default: a temporary one)")
	f.StringVar(&o.accel, "accel", "", "kvm or tcg (default: kvm if it works, else tcg)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say what is going on")
	return cmd
}

func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return os.TempDir()
	}
	return dir
}

func aboutSections() string {
	var b strings.Builder
	b.WriteString("Sections:\n")
	for _, s := range sections {
		fmt.Fprintf(&b, "  %-10s %s\n", s.name, s.about)
	}
	return b.String()
}

// options are what the command line says.
type options struct {
	short, verbose    bool
	sections          []string
	mounts, faults    []string
	moments, guards   []string
	modes, who        []string
	seed              uint64
	ttl               time.Duration
	lock              string
	cache, dir, accel string
}

// choose takes the sections to run, and refuses names that nobody knows.
func (o *options) choose(args []string) error {
	o.sections = args
	known := func(what string, given, names []string) error {
		for _, name := range given {
			if !slices.Contains(names, name) {
				return fmt.Errorf("there is no %s %q: choose from %s", what, name, strings.Join(names, ", "))
			}
		}
		return nil
	}
	var names []string
	for _, s := range sections {
		if o.remote() && !s.remote && slices.Contains(args, s.name) {
			return fmt.Errorf("%s needs the lock to be a lease file", s.name)
		}
		names = append(names, s.name)
	}
	if o.ttl < time.Second {
		return fmt.Errorf("ttl %v is too short for emulated machines: use 2s or more", o.ttl)
	}
	for _, f := range faults {
		if f.remote && !o.remote() && slices.Contains(o.faults, f.name) {
			return fmt.Errorf("%s needs a lock that a server keeps: use --lock %s or %s", f.name, s3, kube)
		}
	}
	return errors.Join(known("section", args, names), known("mount", o.mounts, mountNames()), known("fault", o.faults, faultNames()),
		known("moment", o.moments, momentNames()), known("guard", o.guards, guardNames()),
		known("journal mode", o.modes, journalModes), known("lock", []string{o.lock}, lockNames), known("side", o.who, []string{holdfast, stock}))
}

func run(ctx context.Context, o options) (err error) {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	damaged := false
	for _, s := range sections {
		if len(o.sections) > 0 && !slices.Contains(o.sections, s.name) || o.remote() && !s.remote {
			continue
		}
		began := time.Now()
		fmt.Printf("\n== %s: %s\n", s.name, s.about)
		err := s.run(l, ctx)
		switch {
		case errors.Is(err, errDamage):
			damaged = true
		case err != nil:
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("(%v)\n", time.Since(began).Round(time.Second))
	}
	if damaged {
		return errDamage
	}
	return nil
}
