package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfastdb/holdfast"
)

// check compares what the writers were promised with what is in the database. Its
// error says everything that is wrong.
func (r *report) check(ctx context.Context, dsn string) (err error) {
	db, err := holdfast.Open(dsn, holdfast.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return errors.Join(r.checkTurns(), r.checkLocks(), r.checkRows(ctx, db), r.checkBank(ctx, db), r.checkIntegrity(ctx, db))
}

func (r *report) right(format string, args ...any) {
	r.checked = append(r.checked, "ok  "+fmt.Sprintf(format, args...))
}

func (r *report) checkTurns() error {
	for _, one := range r.turns {
		if len(one.others) > 0 {
			return fmt.Errorf("%s and %s both wrote under epoch %d", one.holder, one.others[0], one.epoch)
		}
	}
	if a, b := r.clash[0], r.clash[1]; a != nil {
		return fmt.Errorf("%s (epoch %d) still held the database when %s (epoch %d) already did", a.holder, a.epoch, b.holder, b.epoch)
	}
	r.right("%d turns, and never two writers at once", len(r.turns))
	return nil
}

func (r *report) checkLocks() error {
	if !watchesLocks {
		r.checked = append(r.checked, "--  locks of the operating system were not looked for: only Linux tells")
		return nil
	}
	if len(r.locks) > 0 {
		return fmt.Errorf("a lock of the operating system was taken: %s", r.locks[0])
	}
	if r.looks == 0 {
		return errors.New("nobody looked for locks of the operating system")
	}
	r.right("no lock of the operating system was held, at %d looks into /proc/locks", r.looks)
	return nil
}

// A row is one of a writer's, by the writer's own number.
type row struct {
	writer string
	n      int
}

// checkRows compares the set of acknowledged rows with those that are there.
func (r *report) checkRows(ctx context.Context, db *sql.DB) error {
	there, err := countRows(ctx, db)
	if err != nil {
		return err
	}
	var errs []error
	acknowledged, undone := 0, 0
	for name, w := range r.writers {
		for _, n := range w.rows {
			acknowledged++
			if times := there[row{name, n}]; times != 1 {
				errs = append(errs, fmt.Errorf("row %d of %s was acknowledged and is there %d times", n, name, times))
			}
			delete(there, row{name, n})
		}
		for _, n := range w.undone {
			undone++
			if there[row{name, n}] > 0 {
				errs = append(errs, fmt.Errorf("row %d of %s is there, though its transaction was refused or killed", n, name))
			}
			delete(there, row{name, n})
		}
		for _, n := range w.doubt {
			delete(there, row{name, n})
		}
	}
	for stray := range there {
		errs = append(errs, fmt.Errorf("row %d of %s is there, but was never acknowledged", stray.n, stray.writer))
	}
	if len(errs) > 0 {
		return errors.Join(errs[:min(5, len(errs))]...)
	}
	r.right("%d rows acknowledged, each is there exactly once", acknowledged)
	r.right("%d transactions killed or refused, none of them is there", undone)
	return nil
}

func countRows(ctx context.Context, db *sql.DB) (map[row]int, error) {
	rows, err := db.QueryContext(ctx, `SELECT writer, n, count(*) FROM ledger GROUP BY writer, n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := make(map[row]int)
	for rows.Next() {
		var one row
		var times int
		if err := rows.Scan(&one.writer, &one.n, &times); err != nil {
			return nil, err
		}
		there[one] = times
	}
	return there, rows.Err()
}

// checkBank: no money came or went, and each account has what the ledger says.
func (r *report) checkBank(ctx context.Context, db *sql.DB) error {
	var total, wrong int
	err := db.QueryRowContext(ctx, `SELECT sum(balance), sum(balance <> ?1
		- (SELECT coalesce(sum(amount), 0) FROM ledger WHERE source = account.id)
		+ (SELECT coalesce(sum(amount), 0) FROM ledger WHERE target = account.id)) FROM account`, opening).Scan(&total, &wrong)
	switch {
	case err != nil:
		return err
	case total != accounts*opening:
		return fmt.Errorf("the bank has %d, and had %d when it opened", total, accounts*opening)
	case wrong > 0:
		return fmt.Errorf("%d accounts differ from their ledger", wrong)
	}
	r.right("the bank still has %d, and every account agrees with the ledger", total)
	return nil
}

func (r *report) checkIntegrity(ctx context.Context, db *sql.DB) error {
	var found []string
	rows, err := db.QueryContext(ctx, `PRAGMA integrity_check`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		found = append(found, line)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !slices.Equal(found, []string{"ok"}) {
		return fmt.Errorf("PRAGMA integrity_check says %q", found)
	}
	r.right("PRAGMA integrity_check says ok")
	return nil
}
