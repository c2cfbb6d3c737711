package fencewalk

import (
	"testing"
	"time"
)

func TestWalk(t *testing.T) {
	for _, sc := range []scenario{
		cleans, deletes, twice, readers, readers3, settles, wal, small, spills, persist, truncate, again, broken_, halves, doubtful, three,
		{name: "two holders, DELETE", holders: 2, begins: 2, rollback: true, anyOrder: true, restart: true},
		{name: "two holders, TRUNCATE", holders: 2, begins: 2, journal: truncated, rollback: true, restart: true},
		{name: "two holders, PERSIST", holders: 2, begins: 2, journal: zeroed, rollback: true, restart: true},
	} {
		t.Run(sc.name, func(t *testing.T) {
			start := time.Now()
			w := &walk{scenario: sc}
			states, bad := w.run()
			w.log(t, states, start)
			if bad != nil {
				for _, line := range bad.trace {
					t.Log(line)
				}
				t.Fatal(bad.broken)
			}
		})
	}
}
