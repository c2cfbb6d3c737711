//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
)

// runFaults prints one table: fault × mount × result.
func (l *lab) runFaults(ctx context.Context) error {
	mounts := l.chosenMounts()
	t := table.NewWriter()
	t.SetOutputMirror(os.Stdout)
	t.SetStyle(table.StyleLight)
	header := table.Row{"fault", "with"}
	for _, m := range mounts {
		header = append(header, m)
	}
	t.AppendHeader(header)
	failed := false
	var told []string
	for i, f := range l.chosenFaults() {
		for _, who := range l.who {
			for k := range max(1, len(l.modes)) {
				row, wrong, err := l.faultRow(ctx, f, who, i+k)
				if err != nil {
					t.Render()
					return err
				}
				t.AppendRow(row)
				told = append(told, wrong...)
				failed = failed || who == holdfast && len(wrong) > 0
			}
		}
	}
	t.Render()
	fmt.Println("Cells: ok, how many commits were acknowledged, and the longest wait of those whom the fault did not happen to.")
	fmt.Println("What hung beside the other mounts met the fault once more, alone: that has to be ok.")
	for _, w := range told {
		fmt.Println(w)
	}
	if failed {
		return errDamage
	}
	return nil
}

// faultRow is one row: all mounts meet the fault at the same time.
func (l *lab) faultRow(ctx context.Context, f fault, who string, turn int) (row table.Row, wrong []string, err error) {
	r := &round{lab: l, fault: f}
	mounts := l.chosenMounts()
	for i, m := range mounts {
		if who == holdfast || stockRuns(m) {
			r.subjects = append(r.subjects, &subject{lab: l, mount: m, who: who, mode: l.mode(who, i, turn)})
		}
	}
	verdicts, err := r.run(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range verdicts {
		l.sayAll(v)
	}
	err = playAlone(verdicts, func(s *subject) (verdict, error) {
		l.sayf("%s: %v only hung: once more, alone", f.name, s)
		again, err := (&round{lab: l, fault: f, subjects: []*subject{s}}).run(ctx)
		if err != nil {
			return verdict{}, err
		}
		l.sayAll(again[0])
		return again[0], nil
	})
	if err != nil {
		return nil, nil, err
	}
	row = table.Row{f.name, who}
	for _, m := range mounts {
		i := slices.IndexFunc(verdicts, func(v verdict) bool { return v.subject.mount == m })
		if i < 0 {
			row = append(row, "cannot write")
			continue
		}
		v := verdicts[i]
		row = append(row, fmt.Sprintf("%s %s", v.subject.mode, v.cell()))
		for _, w := range v.amiss() {
			wrong = append(wrong, fmt.Sprintf("%s, %v: %s", f.name, v.subject, w))
		}
	}
	return row, wrong, nil
}

// sayAll tells what became of a database, and what its programs said if that is amiss.
func (l *lab) sayAll(v verdict) {
	l.sayf("%s: %v: %s, first commit of the other after %v", v.fault.name, v.subject, v.cell(), v.gap)
	amiss := v.amiss()
	for _, w := range amiss {
		l.sayf("%s: %v: %s", v.fault.name, v.subject, w)
	}
	if len(amiss) > 0 {
		for _, text := range v.subject.logs {
			l.sayf("%s: %v: %s", v.fault.name, v.subject, text)
		}
	}
}

// mode is the journal mode of a mount: another one for each fault, unless it was chosen.
// Stock SQLite in WAL mode loses rows between two machines without any fault.
func (l *lab) mode(who string, mount, turn int) string {
	modes := l.modes
	if len(modes) == 0 {
		modes = journalModes
		turn += mount
	}
	return modes[turn%len(modes)]
}
