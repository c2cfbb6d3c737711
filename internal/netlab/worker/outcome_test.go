package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

func TestKinds(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{sqlite3.BUSY, workload.KindBusy},
		{sqlite3.BUSY_SNAPSHOT, workload.KindBusy},
		{fmt.Errorf("commit: %w: %w", sqlite3.IOERR, holdfast.ErrLost), workload.KindLost},
		{fmt.Errorf("%w: %w", sqlite3.INTERRUPT, context.DeadlineExceeded), workload.KindDeadline},
		{sqlite3.INTERRUPT, workload.KindDeadline},
		{sqlite3.CORRUPT_INDEX, workload.KindCorrupt},
		{sqlite3.NOTADB, workload.KindCorrupt},
		{sqlite3.FULL, workload.KindFull},
		{sqlite3.IOERR_FSYNC, workload.KindIO},
		{errUsage, workload.KindUsage},
		{errors.New("what"), workload.KindOther},
	} {
		if got := kindOf(fmt.Errorf("x: %w", tt.err)); got != tt.want {
			t.Errorf("%v is of the kind %q, want %q", tt.err, got, tt.want)
		}
	}
}

// A COMMIT that a reader is in the way of did nothing, and the connection is good for
// another transaction.
func TestCommitThatIsRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var ps pools
	path := newDatabase(t)
	o := workload.Open{Driver: workload.Ncruces, Path: path, Journal: "delete", Busy: 50 * time.Millisecond}
	p, err := ps.enter(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer ps.end()
	if err := p.setUp(ctx, 0); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite3", fileURI(path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	reads, err := other.QueryContext(ctx, `SELECT id FROM page`)
	if err != nil || !reads.Next() {
		t.Fatal("nothing to read", err)
	}
	r := answer(1, workload.Reply{}, p.append(ctx, *newAppend("w", 1, 1)))
	if r.Outcome != workload.Failed || r.Kind != workload.KindBusy {
		t.Errorf("beside a reader: %+v", r)
	}
	reads.Close()
	if err := p.append(ctx, *newAppend("w", 2, 1)); err != nil {
		t.Error(err)
	}
	a, err := p.audit(ctx)
	if err != nil || len(a.Problems) > 0 || len(a.Rows()) != 1 || a.Rows()[0] != (workload.Row{Writer: "w", N: 2}) {
		t.Errorf("there is %+v, %v", a, err)
	}
}

// A transaction that fails before its end leaves nothing, and nothing open.
func TestAppendThatFails(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, driver := range []string{workload.Ncruces, workload.Holdfast} {
		ps := pools{traps: &traps{}}
		p, err := ps.enter(ctx, workload.Open{Driver: driver, Path: newDatabase(t)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.setUp(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Exec(`ALTER TABLE page RENAME TO elsewhere`); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 2; n++ {
			if r := answer(1, workload.Reply{}, p.append(ctx, *newAppend("w", n, 1))); r.Outcome != workload.Failed || r.Kind != workload.KindOther {
				t.Errorf("%s: without its pages: %+v", driver, r)
			}
		}
		if err := p.append(ctx, *newAppend("w", 3, -1)); err != nil {
			t.Errorf("%s: then: %v", driver, err)
		}
		if v, err := p.read(ctx, false); err != nil || v.Ledger.Len() != 1 || !v.Ledger.Has(workload.Row{Writer: "w", N: 3}) || v.Total != workload.Accounts*workload.Balance {
			t.Errorf("%s: there is %+v, %v", driver, v, err)
		}
		ps.end()
	}
}

// An audit finds what is wrong.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, damage := range []string{
		`UPDATE account SET balance = balance + 1 WHERE id = 1`,
		`DELETE FROM ledger WHERE seq = 2`,
		`UPDATE page SET seq = 1 WHERE id = 2`,
		`DELETE FROM page WHERE id = 7`,
		`UPDATE ledger SET amount = 1 WHERE seq = 1`,
	} {
		var ps pools
		p, err := ps.enter(ctx, workload.Open{Driver: workload.Ncruces, Path: newDatabase(t)})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.setUp(ctx, 0); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= 3; n++ {
			if err := p.append(ctx, *newAppend("w", n, n)); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := p.audit(ctx); err != nil || len(a.Problems) > 0 {
			t.Errorf("before any: %+v, %v", a, err)
		}
		if v, err := p.read(ctx, true); err != nil || len(v.Problems) > 0 || v.Ledger.Len() != 3 {
			t.Errorf("before any: %+v, %v", v, err)
		}
		if _, err := p.Exec(damage); err != nil {
			t.Fatal(err)
		}
		if a, err := p.audit(ctx); err != nil || len(a.Problems) == 0 {
			t.Errorf("%s: %+v, %v", damage, a, err)
		}
		if v, err := p.read(ctx, true); err != nil || len(v.Problems) == 0 {
			t.Errorf("%s: %+v, %v", damage, v, err)
		}
		ps.end()
	}
}
