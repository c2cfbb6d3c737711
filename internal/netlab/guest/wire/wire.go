// Package wire is what the host and the program in a machine say to each other: JSON values, one a line, over a virtio-serial port.
//
// It never uses the network, so a machine whose link is cut still answers. Nothing is acknowledged but requests and input:
// a reset loses what is on the way, which is why every message names the boot it belongs to.
package wire

// Port is the name of the virtio-serial port.
const Port = "holdfast"

// MaxChunk is the most data, in bytes, that one message carries.
const MaxChunk = 256 << 10

// An Op is what the host asks for.
type Op string

// The operations, obeyed in the order in which they come. Ping, put and start are answered by one KindReply with the same ID.
const (
	OpPing   Op = "ping"   // nothing but an answer
	OpPut    Op = "put"    // write Data at the end of the file Path, after emptying it if First
	OpStart  Op = "start"  // start Argv; ID names the process from then on
	OpInput  Op = "input"  // give Data to the standard input of process Process, or end it if Last
	OpSignal Op = "signal" // send Signal to process Process and all its children
)

// A Request goes from the host to a machine.
type Request struct {
	Boot    string   `json:"boot"` // the boot it is meant for; any other ignores it
	ID      int64    `json:"id"`
	Op      Op       `json:"op"`
	Argv    []string `json:"argv,omitempty"`
	Env     []string `json:"env,omitempty"` // NAME=VALUE, added to the machine's own
	Process int64    `json:"process,omitempty"`
	Signal  int      `json:"signal,omitempty"`
	Path    string   `json:"path,omitempty"`
	Mode    uint32   `json:"mode,omitempty"` // permission bits of a new file
	First   bool     `json:"first,omitempty"`
	Last    bool     `json:"last,omitempty"`
	Data    []byte   `json:"data,omitempty"`
}

// A Kind says what an Event reports.
type Kind string

// The kinds of events.
const (
	KindHello  Kind = "hello"  // the machine listens now; the first event of each boot
	KindReady  Kind = "ready"  // the machine's setup has ended, with Err if it went wrong
	KindReply  Kind = "reply"  // the answer to request ID
	KindOutput Kind = "output" // process ID has written Data, to its standard error if Stderr
	KindTaken  Kind = "taken"  // process ID has taken Count bytes of its input
	KindExit   Kind = "exit"   // process ID has ended with Code; all it wrote was sent before
)

// An Event goes from a machine to the host.
type Event struct {
	Boot   string `json:"boot"`
	Kind   Kind   `json:"kind"`
	ID     int64  `json:"id,omitempty"`
	Err    string `json:"err,omitempty"`
	Pid    int    `json:"pid,omitempty"`
	Stderr bool   `json:"stderr,omitempty"`
	Data   []byte `json:"data,omitempty"`
	Count  int    `json:"count,omitempty"`
	Code   int    `json:"code,omitempty"` // exit status, or 128 and the signal that ended it
}
