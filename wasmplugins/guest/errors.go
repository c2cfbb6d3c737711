package guest

import "errors"

// An Error is one that the host tells from others.
type Error struct {
	code uint32
	text string
}

// Error returns what happened and what to do.
func (e *Error) Error() string { return e.text }

// Say returns an error of the same kind with another text, which its users read: what
// happened and what to do, in one line. It does what fmt.Errorf with %w does, without the
// 700 KB of package fmt.
func (e *Error) Say(text string) error { return &Error{e.code, text} }

// Is reports whether both are of one kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.code == e.code
}

// What the host acts upon. Any other error is taken as [ErrDoubt] from a swap, and as an
// error of input and output from a file.
var (
	ErrConflict    = &Error{1, "conflict"}    // the swap did not take effect: the version was another
	ErrDoubt       = &Error{2, "doubt"}       // it is unknown whether the swap took effect, or will
	ErrUnreachable = &Error{3, "unreachable"} // no answer now; nothing was changed, and nothing will be
	ErrForeign     = &Error{4, "foreign"}     // what lies there is no register
	ErrInvalid     = &Error{5, "invalid"}     // it can never work: a parameter is missing, unknown or wrong
	ErrDenied      = &Error{6, "denied"}      // a permission is missing
	ErrNotExist    = &Error{16, "no such file"}
	ErrExist       = &Error{17, "the file exists"}
	ErrNoSpace     = &Error{18, "no space"}
	ErrReadOnly    = &Error{19, "read-only"}
	ErrIsDir       = &Error{20, "is a directory"}
	ErrNotDir      = &Error{21, "not a directory"}
	ErrDamaged     = &Error{22, "damaged"} // what was read was not written by this plugin, or was changed since
)

const (
	codeOK = 0
	codeIO = 23
)

// codeOf is what the host is told of an error.
func codeOf(err error) uint32 {
	if known := new(Error); errors.As(err, &known) {
		return known.code
	}
	return codeIO
}
