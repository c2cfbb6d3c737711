// Package plugincheck tries whether a plugin keeps the promises of a lock or a file system, and
// what its host must be able to rely on. It works against whatever the plugin keeps its data
// in, in real time, and uses a new cell for each check.
package plugincheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/wasmplugins"
)

// Fresh is what stands for a name of its own, in each check: in the values of parameters, in
// the directories that are granted and in the command that deletes a cell.
const Fresh = "{}"

// Options say what is checked, and how.
type Options struct {
	Plugin   wasmplugins.Options // with [Fresh] in it
	Database string              // path of the database that the plugin is told, with [Fresh] in it
	Wipe     string              // command of a shell that deletes the cell, with [Fresh] in it; "": none
	Bound    time.Duration       // of one check; default 1m

	Only []string // names of the checks to try; none: all

	// Begun, if set, is told of each check that begins.
	Begun func(name string, number, of int)
}

// An Outcome is what became of a check.
type Outcome string

// Outcomes.
const (
	Passed   Outcome = "passed"
	Failed   Outcome = "FAILED"
	NotTried Outcome = "not tried"
)

// A Result is a row of the table.
type Result struct {
	Check   string
	Outcome Outcome
	Took    time.Duration
	Remark  string // what was wrong, or what is worth knowing; "" for nothing
}

// Broken returns how many checks failed.
func Broken(results []Result) (n int) {
	for _, r := range results {
		if r.Outcome == Failed {
			n++
		}
	}
	return n
}

// A check is a row that is to be.
type check struct {
	name string
	run  func(ctx context.Context, c *cell) error
}

// errNotTried is in the error of a check that lacks something.
var errNotTried = errors.New("not tried")

// errWipe is in the error of a check that gets as far as deleting the cell.
var errWipe = fmt.Errorf("%w: give --wipe, a command that deletes the cell", errNotTried)

// A remark is the error of a check that passed, and has something to say.
type remark string

func (r remark) Error() string { return string(r) }

// Run checks a plugin, and returns the results in order. It returns an error if the plugin
// cannot be loaded, opened and read at all, and the cause of ctx if that ended: what was
// found by then is returned, too.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Bound == 0 {
		o.Bound = time.Minute
	}
	s := &suite{Options: o}
	checks, err := s.begin(ctx)
	if err != nil {
		return s.results, err
	}
	for i, c := range checks {
		if s.Begun != nil {
			s.Begun(c.name, i+1, len(checks))
		}
		result, err := s.try(ctx, c)
		if err != nil {
			return s.results, err
		}
		s.results = append(s.results, result)
	}
	return s.results, nil
}

// A suite is one run.
type suite struct {
	Options
	calls   calls
	results []Result
}

// begin uses the plugin once, so that a mistake in the configuration is one error and not as
// many as there are checks. It returns the checks that are to come.
func (s *suite) begin(ctx context.Context) (checks []check, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, mostBegin, fmt.Errorf("it took more than %v to begin", mostBegin))
	defer cancel()
	c, err := s.newCell(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close(ctx)
	start := time.Now()
	p, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	if p.IsLock() {
		checks = append(checks, lockChecks()...)
		if err := c.firstRead(ctx); err != nil {
			return nil, err
		}
	}
	if p.IsFS() {
		if !p.IsLock() {
			s.Plugin.Limit = cmp.Or(s.Plugin.Limit, wasmplugins.DefaultFSLimit)
		}
		checks = append(checks, fileChecks()...)
		if _, err := c.openFS(); err != nil {
			return nil, err
		}
	}
	took := time.Since(start)
	if p.IsLock() {
		checks = append(checks, check{"InTime", s.inTime})
	}
	if checks, err = s.chosen(checks); err == nil {
		s.results = append(s.results, loads(took))
	}
	return checks, err
}

// ErrNoCheck: a check was asked for that there is none of for the plugin.
var ErrNoCheck = errors.New("no such check")

// chosen are those of the checks that are to be tried.
func (s *suite) chosen(checks []check) ([]check, error) {
	if len(s.Only) == 0 {
		return checks, nil
	}
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	for _, name := range s.Only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w as %q: there are %s", ErrNoCheck, name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(checks, func(c check) bool { return !slices.Contains(s.Only, c.name) }), nil
}

// How long it may take to begin: more than the first fails, and more than the second is not
// waited for.
const (
	mostLoad  = 10 * time.Second
	mostBegin = time.Minute
)

// loads is the row of what begin did.
func loads(took time.Duration) Result {
	r := Result{Check: "Loads", Outcome: Passed, Took: took, Remark: "compiled, opened and used once"}
	if took > mostLoad {
		r.Outcome, r.Remark = Failed, fmt.Sprintf("compiling it, opening it and the first call took more than %v", mostLoad)
	}
	return r
}

// try makes a row. A check that does not end in its time is left alone; closing its cell ends
// what it does with the plugin.
func (s *suite) try(ctx context.Context, c check) (Result, error) {
	bound, cancel := context.WithTimeoutCause(ctx, s.Bound, fmt.Errorf("it took more than %v", s.Bound))
	defer cancel()
	fresh, err := s.newCell(ctx)
	if err != nil {
		return Result{}, err
	}
	fresh.check = c.name
	start := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- c.run(bound, fresh) }()
	select {
	case err = <-ended:
	case <-bound.Done():
		err = context.Cause(bound)
	}
	took := time.Since(start)
	fresh.close(ctx)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	if bound.Err() != nil {
		err = context.Cause(bound) // rather than what this led to
	}
	return s.result(c.name, took, err), nil
}

// result is the row of how a check ended.
func (s *suite) result(name string, took time.Duration, err error) Result {
	r := Result{Check: name, Outcome: Passed, Took: took}
	var note remark
	switch {
	case err == nil:
	case errors.As(err, &note):
		r.Remark = string(note)
	case errors.Is(err, errWipe):
		r.Outcome, r.Remark = NotTried, "the cell was not deleted: give --wipe"
	default:
		// Which plugin it is need not be said in each row.
		r.Outcome, r.Remark = Failed, strings.ReplaceAll(err.Error(), "wasmplugins: "+s.Plugin.Path+": ", "")
	}
	return r
}
