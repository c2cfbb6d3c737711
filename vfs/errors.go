package vfs

import (
	"context"
	"errors"
	"strings"

	"github.com/holdfastdb/holdfast/internal/fence"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// CodeLost is the result code of every operation that was refused because the
// lease is lost. Its primary code is [sqlite3.IOERR], which SQLite does not retry;
// the extended part is outside the range that SQLite uses.
const CodeLost = sqlite3.ExtendedErrorCode(sqlite3.IOERR) | 200<<8

// codes is the only table from causes to SQLite's result codes. A cause that is
// not here gets the code of the operation that failed, from go-sqlite3.
//
// https://sqlite.org/rescode.html
var codes = []struct {
	cause error
	code  sqlite3.ExtendedErrorCode
}{
	// A lost lease is never BUSY: SQLite would try again, and write.
	{locking.ErrLost, CodeLost},
	{locking.ErrClosed, CodeLost},
	// As if the statement had been interrupted while it ran. A wait that a deadline
	// ended is an error of both kinds, and BUSY would be tried again.
	{context.Canceled, sqlite3.ExtendedErrorCode(sqlite3.INTERRUPT)},
	{context.DeadlineExceeded, sqlite3.ExtendedErrorCode(sqlite3.INTERRUPT)},
	{locking.ErrHeld, sqlite3.ExtendedErrorCode(sqlite3.BUSY)},
	{errDirectory, sqlite3.CANTOPEN_ISDIR},
	{errReadOnlyDirectory, sqlite3.READONLY_DIRECTORY},
	{errReadOnly, sqlite3.ExtendedErrorCode(sqlite3.READONLY)},
}

var (
	errDirectory         = errors.New("it is a directory")
	errReadOnlyDirectory = errors.New("its directory cannot be written")
	errReadOnly          = errors.New("it cannot be opened for writing")
)

// coded returns the result code that the table gives err, or def if it is not
// there, and err with that code for SQLite. What is returned hides err from
// errors.Is.
func coded(err error, def sqlite3.ExtendedErrorCode) (code sqlite3.ExtendedErrorCode, told error) {
	code = def
	if fence.IsFull(err) {
		code = sqlite3.ExtendedErrorCode(sqlite3.FULL)
	}
	for _, row := range codes {
		if errors.Is(err, row.cause) {
			code = row.code
			break
		}
	}
	return code, sqlitevfs.SystemError(err, code)
}

// A refusal is why an operation of a [File] failed, and what SQLite was told.
type refusal struct {
	cause error
	code  sqlite3.ExtendedErrorCode
	ctx   context.Context // the connection's at that time
}

// Interrupted returns what the operation of conn that ctx ended was waiting for,
// or nil if it was not waiting.
func Interrupted(conn *sqlite3.Conn, ctx context.Context) error {
	for f := range Files(conn) {
		if r := f.refused; r != nil && r.code.Code() == sqlite3.INTERRUPT && r.ctx == ctx {
			return r.cause
		}
	}
	return nil
}

// Explain returns err with its cause joined, if err is a result code that came
// from a refusal of this package on conn: then errors.As finds the
// [*locking.HeldError] behind [sqlite3.BUSY], and errors.Is finds
// [locking.ErrLost], [context.DeadlineExceeded] or the error of the disk.
// Any other err is returned as it is. Ask right after the call that failed, and
// on the goroutine that uses conn.
func Explain(conn *sqlite3.Conn, err error) error {
	var code sqlite3.ErrorCode
	if err == nil || !errors.As(err, &code) {
		return err
	}
	for f := range Files(conn) {
		r := f.refused
		if r == nil || r.code.Code() != code || errors.Is(err, r.cause) {
			continue
		}
		if e := (&explained{err, r.cause}); e.passedOn() || !saysWhy(err) {
			return e
		}
	}
	return err
}

// saysWhy reports whether SQLite says more of err than what its result code means. Then
// it found the mistake itself, as in SQL, and it has nothing to do with what was refused
// before in the same transaction.
func saysWhy(err error) bool {
	e, ok := errors.AsType[*sqlite3.Error](err)
	if !ok {
		return false
	}
	text := strings.TrimPrefix(e.Error(), e.Code().Error())
	if system := e.Unwrap(); system != nil {
		text = strings.TrimSuffix(text, ": "+system.Error())
	}
	return text != ""
}

// An explained error is a result code and its cause.
type explained struct{ err, cause error }

// Error names the cause, unless SQLite passed on its text.
func (e *explained) Error() string {
	if e.passedOn() {
		return e.err.Error()
	}
	return e.err.Error() + ": " + e.cause.Error()
}

func (e *explained) passedOn() bool {
	return strings.Contains(e.err.Error(), strings.TrimPrefix(e.cause.Error(), "vfs: "))
}

// Unwrap returns both.
func (e *explained) Unwrap() []error { return []error{e.err, e.cause} }
