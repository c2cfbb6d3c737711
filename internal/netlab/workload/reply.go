package workload

import (
	"fmt"
	"time"

	"github.com/holdfastdb/holdfast/locking"
)

// Outcomes of a command.
const (
	OK      = "ok"
	Failed  = "failed"  // it changed nothing, and will not
	Unknown = "unknown" // it may have taken effect, or take effect yet
)

// Kinds of errors.
const (
	KindBusy      = "busy"      // somebody else has the database
	KindLost      = "lost"      // the lease is lost
	KindDeadline  = "deadline"  // the command's limit
	KindCorrupt   = "corrupt"   // SQLite found the database damaged
	KindFull      = "full"      // the disk or a quota is
	KindIO        = "io"        // any other error of the storage
	KindNoAnswer  = "no answer" // the worker is gone, or did not answer in time: set by the host
	KindUsage     = "usage"     // the command makes no sense
	KindOther     = "other"
	KindUnreached = "unreached" // the register does not answer
)

// A Reply is the answer to a [Command].
type Reply struct {
	ID      int64         `json:"id"`
	Outcome string        `json:"outcome"`
	Kind    string        `json:"kind,omitempty"` // of the error
	Err     string        `json:"err,omitempty"`
	Took    time.Duration `json:"took"` // by the worker's monotonic clock

	Read   *View           `json:"read,omitempty"`
	Audit  *Audit          `json:"audit,omitempty"`
	Bench  *Measured       `json:"bench,omitempty"`
	Status *locking.Status `json:"status,omitempty"`
	Count  int             `json:"count,omitempty"` // go: operations that the trap counted
}

// Error returns nil for a command that was done, and else an [*Error].
func (r Reply) Error() error {
	if r.Outcome == OK {
		return nil
	}
	return &Error{r.Outcome, r.Kind, r.Err}
}

// An Error is what a worker said of a command that it did not do.
type Error struct{ Outcome, Kind, Text string }

func (e *Error) Error() string { return fmt.Sprintf("%s (%s): %s", e.Outcome, e.Kind, e.Text) }

// A View is what a read transaction saw.
type View struct {
	Ledger   Ledger   `json:"ledger"`
	Total    int64    `json:"total"`
	Problems []string `json:"problems,omitempty"` // of a deep read
}

// An Audit is what the whole database holds.
type Audit struct {
	Runs     []Run    `json:"runs"` // the ledger, in its order
	Total    int64    `json:"total"`
	Problems []string `json:"problems,omitempty"` // by integrity_check, and where its parts disagree
	Bytes    int64    `json:"bytes"`              // of the database
}

// A Measured is what came of a [Bench].
type Measured struct {
	Count   int            `json:"count"`
	Elapsed time.Duration  `json:"elapsed"`
	P50     time.Duration  `json:"p50"`
	P90     time.Duration  `json:"p90"`
	P99     time.Duration  `json:"p99"`
	Max     time.Duration  `json:"max"`
	Errors  map[string]int `json:"errors,omitempty"` // by kind; they do not count as operations
	Last    string         `json:"last,omitempty"`   // error
	Calls   *Calls         `json:"calls,omitempty"`  // nil: not a mount that counts them
}

// PerSecond returns the rate.
func (m *Measured) PerSecond() float64 {
	if m.Elapsed <= 0 {
		return 0
	}
	return float64(m.Count) / m.Elapsed.Seconds()
}

// Calls are the requests that one mount sent to its server meanwhile, those of other
// programs included.
type Calls struct {
	Mount string          `json:"mount"` // where, and of what type
	Total int             `json:"total"`
	Ops   map[string]Call `json:"ops"` // by operation of the protocol
}

// A Call is how often one operation was asked for, and what it cost in sum.
type Call struct {
	Count int           `json:"count"`
	RTT   time.Duration `json:"rtt,omitempty"`    // from sending to the reply; NFS alone tells
	Whole time.Duration `json:"whole,omitempty"`  // with the time in the client's queue; NFS alone tells
	Fails int           `json:"failed,omitempty"` // of those, answered by an error
}

// Kinds of an [Event].
const (
	EventReady   = "ready"   // the worker listens
	EventTrapped = "trapped" // a trap holds an operation
)

// An Event is a line of a worker that answers nothing.
type Event struct {
	Event string `json:"event"`
	PID   int    `json:"pid,omitempty"`
	Trap  string `json:"trap,omitempty"` // its ID
	Op    string `json:"op,omitempty"`
	Name  string `json:"name,omitempty"` // path
	To    string `json:"to,omitempty"`   // of a rename
	After bool   `json:"after,omitempty"`
	Count int    `json:"count,omitempty"` // of operations that fitted, with this one
}

func (e Event) String() string {
	switch {
	case e.Event != EventTrapped:
		return e.Event
	case e.After:
		return fmt.Sprintf("%s: held after %s of %s (number %d)", e.Trap, e.Op, e.Name, e.Count)
	}
	return fmt.Sprintf("%s: held before %s of %s (number %d)", e.Trap, e.Op, e.Name, e.Count)
}
