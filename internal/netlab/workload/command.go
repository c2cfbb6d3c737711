package workload

import (
	"net/url"
	"time"
)

// What a worker can be told to do: see [Command].
const (
	DoOpen   = "open"
	DoClose  = "close"
	DoSetup  = "setup"
	DoAppend = "append"
	DoRead   = "read"
	DoAudit  = "audit"
	DoFill   = "fill"
	DoBench  = "bench"
	DoStatus = "status"
	DoTrap   = "trap"
	DoGo     = "go"
)

// A Command is one line to a worker. Conn names a connection of the worker; all but
// trap and go need one. What it is about is in the field of the same name.
type Command struct {
	ID    int64         `json:"id"` // set by [Client.Do]
	Do    string        `json:"do"`
	Conn  string        `json:"conn,omitempty"`
	Limit time.Duration `json:"limit,omitempty"` // by the worker's clock, from when it begins; 0: none

	Open   *Open   `json:"open,omitempty"`
	Append *Append `json:"append,omitempty"`
	Read   *Read   `json:"read,omitempty"`
	Bench  *Bench  `json:"bench,omitempty"`
	Trap   *Trap   `json:"trap,omitempty"`
	MB     int     `json:"mb,omitempty"` // setup and fill: size of the filler in MB (1,000,000 bytes)
}

// Drivers: see [Open]. The last two are stock SQLite with byte-range locks: those of
// an open file description, and POSIX ones.
const (
	Holdfast = "holdfast"
	Ncruces  = "go-sqlite3"
	Mattn    = "mattn"
)

// An Open opens a connection. Those of one worker that are opened alike share a pool,
// as those of one program do.
type Open struct {
	Driver string `json:"driver"`

	DSN  string `json:"dsn,omitempty"` // if set, Path and what makes a data source name of it mean nothing
	Path string `json:"path,omitempty"`

	Journal     string        `json:"journal,omitempty"`     // journal_mode; "": as it is
	Synchronous string        `json:"synchronous,omitempty"` // "": the driver's default
	Busy        time.Duration `json:"busy,omitempty"`        // busy_timeout; default 60 s
	TTL         time.Duration `json:"ttl,omitempty"`         // of the lease; 0: the default
	Params      url.Values    `json:"params,omitempty"`      // further parameters, in the driver's own spelling

	Without []string `json:"without,omitempty"` // guards of Holdfast that are taken away
	Traps   bool     `json:"traps,omitempty"`   // its file operations meet traps; they cost something even without
}

// Guards of Holdfast that can be taken away in one worker: see [Open]. GuardFence is
// fence=off, about which all who have a database open have to agree.
const (
	GuardFence  = "fence"  // a takeover copies, and goes on in the copy
	GuardVerify = "verify" // the register is looked at before a commit is acknowledged and before a journal is finished
	GuardTrace  = "trace"  // only before a journal is finished
	GuardClock  = "clock"  // a holder gives up at its deadline, and sees that it was overtaken or is asked; without, it can wait for nobody either, so let it come when nobody else has the database
	GuardReopen = "reopen" // the database is closed, opened and read anew after somebody else wrote
	GuardFresh  = "fresh"  // a listing of the register's directory asks the server
)

// An Append is one transaction: it adds row N of Writer to the ledger, moves Amount
// between two accounts, and rewrites all pages of a book.
type Append struct {
	Writer string `json:"writer"`
	N      int    `json:"n"`
	From   int    `json:"from"`
	To     int    `json:"to"`
	Amount int    `json:"amount"`
	Book   int    `json:"book"`            // of [Books]; less than 0: none
	Cache  int    `json:"cache,omitempty"` // pages of cache; few make it write before its commit; 0: the default
}

// The bank that a setup makes.
const (
	Accounts  = 10
	Balance   = 1000 // of each account, at first
	Books     = 4
	BookPages = 12 // of each book, about a page of the file each
)

// A Read is one read transaction: the ledger by its index, and the total.
type Read struct {
	Deep bool `json:"deep,omitempty"` // look at the books and the ledger's rows as well, as an audit does
}

// A Bench repeats an operation for a time or a number of times, whichever ends first.
type Bench struct {
	Kind  string        `json:"kind"` // [BenchCommit] or [BenchRead]
	For   time.Duration `json:"for,omitempty"`
	Count int           `json:"count,omitempty"`
}

// Kinds of a [Bench].
const (
	BenchCommit = "commit" // a transaction that adds a row
	BenchRead   = "read"   // one that reads a row
)

// A Trap holds one file operation of the worker, the register's included, until it is
// let go: see [OpCreate] for what counts. Other operations pass meanwhile.
type Trap struct {
	ID    string   `json:"id"`              // names it in events; one that is set already is replaced
	Ops   []string `json:"ops,omitempty"`   // kinds; none: all that change something
	Name  string   `json:"name,omitempty"`  // pattern, as of path.Match, of a base name; of either for a rename; "": any
	N     int      `json:"n,omitempty"`     // which of those that fit; 0 is the first, like 1
	Since string   `json:"since,omitempty"` // from when on they count: [SinceTakeover]; "": now
	After bool     `json:"after,omitempty"` // hold it when it was done, and not before
}

// SinceTakeover has a trap count from when the worker writes a record with a takeover
// into the register, with that write. The steps of a takeover are then numbered from 1.
const SinceTakeover = "takeover"

// Kinds of file operations.
const (
	OpOpen     = "open" // of a file that is to be there
	OpCreate   = "create"
	OpRead     = "read"
	OpList     = "list" // of a directory
	OpStat     = "stat"
	OpWrite    = "write"
	OpSync     = "sync" // of a directory too, by its name
	OpTruncate = "truncate"
	OpRemove   = "remove"
	OpRename   = "rename"
	OpMkdir    = "mkdir"

	// OpAny are all that change something, and all that do not outside the register.
	OpAny = "any"
)
