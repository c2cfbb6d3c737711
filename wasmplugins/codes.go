package wasmplugins

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/holdfastdb/holdfast/locking"
)

// The versions of the interface that this host speaks.
const (
	oldestVersion = 1
	newestVersion = 1
)

// A code is what a reply begins with.
type code uint32

const (
	codeOK          code = 0
	codeConflict    code = 1
	codeDoubt       code = 2
	codeUnreachable code = 3
	codeForeign     code = 4
	codeInvalid     code = 5
	codeDenied      code = 6
	codeNotExist    code = 16
	codeExist       code = 17
	codeNoSpace     code = 18
	codeReadOnly    code = 19
	codeIsDir       code = 20
	codeNotDir      code = 21
	codeDamaged     code = 22
	codeIO          code = 23
)

var (
	// ErrBroken: a plugin did what none may: it trapped, ran out of its time or returned
	// what no plugin returns. What it was in is lost.
	ErrBroken = errors.New("the plugin broke off")
	// ErrInvalid: a plugin refused its configuration, or a request.
	ErrInvalid = errors.New("refused by the plugin")
	// ErrDamaged: a plugin read what it has not written, or what was changed since.
	ErrDamaged = errors.New("damaged or forged data")
	// ErrModule: a file is no plugin, or not the one that is wanted.
	ErrModule = errors.New("not a plugin")
)

// causes are what errors.Is finds in the error of a code.
var causes = map[code]error{
	codeConflict:    locking.ErrConflict,
	codeDoubt:       locking.ErrDoubt,
	codeUnreachable: locking.ErrUnreachable,
	codeForeign:     locking.ErrForeign,
	codeInvalid:     ErrInvalid,
	codeDenied:      fs.ErrPermission,
	codeNotExist:    fs.ErrNotExist,
	codeExist:       fs.ErrExist,
	codeNoSpace:     syscall.ENOSPC,
	codeReadOnly:    syscall.EROFS,
	codeIsDir:       syscall.EISDIR,
	codeNotDir:      syscall.ENOTDIR,
	codeDamaged:     ErrDamaged,
	codeIO:          syscall.EIO,
}

// A failure is a reply that is not [codeOK].
type failure struct {
	code code
	text string // of the plugin, for people
	http error  // why its latest HTTP request failed; nil if it did not
	disk error  // what its files failed with that it cannot have been told; nil if nothing
}

func (f *failure) Error() string {
	text := f.text
	for _, why := range []error{f.http, f.disk} {
		if why != nil {
			text += fmt.Sprintf(" (%v)", why)
		}
	}
	cause, known := causes[f.code]
	switch {
	case !known:
		return fmt.Sprintf("unknown code %d: %s", f.code, text)
	case text == "":
		return cause.Error()
	}
	return fmt.Sprintf("%v: %s", cause, text)
}

func (f *failure) Unwrap() []error {
	var all []error
	for _, err := range []error{causes[f.code], f.disk} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}
