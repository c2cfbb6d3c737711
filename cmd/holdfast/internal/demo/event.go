package demo

import "time"

// An event is one line of JSON that a writer sends to the director.
type event struct {
	At     time.Time `json:"at"`
	Kind   kind      `json:"kind"`
	Row    int       `json:"row,omitempty"`    // number of the transaction
	Epoch  uint64    `json:"epoch,omitempty"`  // under which it holds the database
	Level  string    `json:"level,omitempty"`  // that it holds
	Began  time.Time `json:"began,omitzero"`   // when it got the lock, for inside and committed
	Until  time.Time `json:"until,omitzero"`   // when it still had it for certain
	Doubt  bool      `json:"doubt,omitempty"`  // the row may be there all the same, for refused
	Reason string    `json:"reason,omitempty"` // for refused and broken

	writer string // who sent it; set by the director
}

// A kind says what an event is about.
type kind string

const (
	ready     kind = "ready"     // connected
	inside    kind = "inside"    // stands still in a transaction that has written to the file
	committed kind = "committed" // a row is acknowledged
	refused   kind = "refused"   // a transaction failed, most likely because the lease was lost
	stopped   kind = "stopped"   // ends as told
	broken    kind = "broken"    // ends because of an error
	gone      kind = "gone"      // the process has ended; sent by the director to itself
)

// A command is one line that the director sends to a writer.
type command string

const (
	pause command = "pause" // stand still in the next transaction
	goOn  command = "go"
	stop  command = "stop"
)
