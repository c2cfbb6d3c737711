package main

import "fmt"

var unfenced = maker{driver: "holdfast", params: "lock=leasefile&fence=off"}

// fencedCommits measures what it costs a commit that the lease is fenced.
func (b *bench) fencedCommits() error {
	t := b.newTable("commit of one row", "fence=off", "fenced", "commits/s, fenced against fence=off", "middle half", "min to max")
	for _, mode := range []struct{ name, params string }{
		{"DELETE, synchronous=FULL", journalFull},
		{"TRUNCATE, synchronous=FULL", "_pragma=journal_mode(truncate)&_pragma=synchronous(full)"},
		{"PERSIST, synchronous=FULL", "_pragma=journal_mode(persist)&_pragma=synchronous(full)"},
		{"WAL, synchronous=FULL", walFull},
		{"DELETE, synchronous=FULL, locking_mode=EXCLUSIVE", "_pragma=locking_mode(exclusive)&" + journalFull},
		{"DELETE, synchronous=NORMAL", "_pragma=journal_mode(delete)&_pragma=synchronous(normal)"},
		{"WAL, synchronous=NORMAL", walNormal},
		{"DELETE, synchronous=OFF", "_pragma=journal_mode(delete)&_pragma=synchronous(off)"},
	} {
		w := commits(mode.params)
		if err := b.compareSpeed(t, mode.name, w.on(b.ctx, unfenced), w.on(b.ctx, sticky)); err != nil {
			return err
		}
	}
	return nil
}

// compareSpeed is compare with the ratio the other way round: how many operations one
// side does in the time in which the other one does one.
func (b *bench) compareSpeed(t *table, what string, base, ours side) error {
	return b.compareIn(t, what, base, ours, perSecond, func(base, ours float64) float64 { return base / ours })
}

// perSecond writes how many operations of so many nanoseconds there are in a second.
func perSecond(ns float64) string { return fmt.Sprintf("%.0f/s", 1e9/ns) }
