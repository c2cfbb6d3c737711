//go:build linux

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

func newRates() table.Writer {
	t := newTable()
	t.AppendHeader(table.Row{"mount", "with", "mode", "commits/s", "of stock", "requests a commit", "reads/s", "of stock", "requests a read", "goals"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 6, WidthMax: 44, WidthMaxEnforcer: text.WrapSoft}, {Number: 10, WidthMax: 30, WidthMaxEnforcer: text.WrapSoft}})
	t.SetCaption("Medians of %d slices, taken in turn. Of stock: of what its DELETE mode with its normal locking did in the same round, on smb-nobrl where it cannot write.\n"+
		"Stock in WAL mode has locking_mode=EXCLUSIVE. Requests are all that the mount sent meanwhile, the lease's renewals and polls included;\n"+
		"a read counts as free of them if there is less than one for twenty reads.", numberRounds)
	return t
}

// freeReads is how few requests a read may be said to have none with: who holds a lease
// looks ten times a second whether somebody asks for it.
const freeReads = 0.05

func (s *side) rates(mount string, base *side) table.Row {
	with := s.who
	if s.mount != mount {
		with += " on " + s.mount
	}
	mode := s.mode
	if s.exclusive {
		mode += ", exclusive"
	}
	commits, reads := median(s.commits.rates), median(s.reads.rates)
	return table.Row{
		mount, with, mode,
		fmt.Sprintf("%.1f", commits), ratio(s.commits.of(&base.commits)), s.commits.requests(),
		fmt.Sprintf("%.0f", reads), ratio(s.reads.of(&base.reads)), fmt.Sprintf("%.2f", s.reads.each(s.reads.total)),
		verdictOf(s.goals(base)),
	}
}

// goals are those that are set for a side.
func (s *side) goals(base *side) (goals []goal) {
	if s.who != holdfast {
		return nil
	}
	atLeast := func(what string, times float64, r, of *reading) {
		if len(of.rates) > 0 {
			goals = append(goals, goal{fmt.Sprintf("%gx %s", times, what), r.of(of) >= times})
		}
	}
	switch s.mount {
	case "nfs3", "nfs42":
		if s.mode == "wal" {
			atLeast("commits", 6, &s.commits, &base.commits)
			goals = append(goals, goal{"3 requests a commit", s.commits.each(s.commits.total) <= 3})
		}
		if s.mode == "delete" {
			atLeast("commits", 2, &s.commits, &base.commits)
		}
		atLeast("reads", 100, &s.reads, &base.reads)
		goals = append(goals, goal{"no request a read", s.reads.each(s.reads.total) < freeReads})
	case "smb":
		if s.mode == "wal" {
			atLeast("commits", 4, &s.commits, &base.commits)
		}
	}
	return goals
}

// requests tells how many one operation takes, and of what kinds.
func (r *reading) requests() string {
	ops := slices.SortedFunc(maps.Keys(r.ops), func(a, b string) int {
		return cmp.Or(r.ops[b].Count-r.ops[a].Count, strings.Compare(a, b))
	})
	text := fmt.Sprintf("%.1f:", r.each(r.total))
	for _, op := range ops {
		if n := r.each(r.ops[op].Count); n >= 0.05 {
			text += fmt.Sprintf(" %s %.1f", op, n)
		}
	}
	return text
}

func newTimes() table.Writer {
	t := newTable()
	t.AppendHeader(table.Row{"mount", "with", "mode", "a commit", "median", "replies awaited", "a reply", "client's CPU", "server's CPU"})
	t.SetCaption("What the time of a commit goes to, in the mean. Replies awaited are added up, also where two requests are on the way at once; SMB does not tell.")
	return t
}

func (s *side) times() table.Row {
	r := &s.commits
	row := table.Row{s.mount, s.who, s.mode, ms(r.took(r.elapsed)), ms(quantile(r.p50, 50))}
	if isNFS(s.mount) {
		row = append(row, ms(r.took(r.waited())), ms((&reading{count: r.total}).took(r.waited())))
	} else {
		row = append(row, "-", "-")
	}
	return append(row, ms(r.took(r.load.client)), ms(r.took(r.load.server)))
}
