package vfs

import (
	"path/filepath"
	"testing"
)

func TestTwoProcessesTakeTurns(t *testing.T) {
	for _, mode := range []string{"delete", "truncate", "persist", "memory", "off"} {
		t.Run(mode, func(t *testing.T) {
			a := newArbiter()
			path := filepath.Join(scratch(t), "app.db")
			one := connect(t, register(t, nil, a.process("one").open), path, "")
			two := connect(t, register(t, nil, a.process("two").open), path, "")
			run(t, one, "PRAGMA journal_mode="+mode+"; CREATE TABLE t(x)")
			run(t, two, "PRAGMA journal_mode="+mode)
			for range 5 {
				run(t, one, "INSERT INTO t VALUES (1)")
				run(t, two, "INSERT INTO t VALUES (2)")
			}
			want(t, one, "SELECT count(*)||':'||sum(x) FROM t", "10:15")
			want(t, two, "PRAGMA integrity_check", "ok")
			want(t, two, "PRAGMA journal_mode", mode)
		})
	}
}
