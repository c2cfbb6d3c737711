package locking

import (
	"context"
	"errors"
)

// A Storage is where a database and its copies lie, all in one directory. With
// one, a [Coordinator] is of grade [GradeFenced]: a holder that expired in the
// middle of its work may still write, so the next one goes on in a copy, which the
// expired holder does not know. Names are base names; the journal and the WAL of a
// file go by its name. The methods are safe for concurrent use.
type Storage interface {
	// Name returns the plain name of the database.
	Name() string

	// Copy makes a durable copy of the database in from, with its journal and WAL,
	// while an expired holder may still be changing them. Nothing by the name to
	// exists before. progress, which may be called at any rate from one goroutine,
	// is told how many of how many bytes are copied.
	//
	// It returns [ErrMoved] if the expired holder ended a transaction meanwhile, and
	// fs.ErrExist if the name is taken: then the next copy gets another one. On any error it
	// leaves from as it was, and removes what it made, as far as it can. Unless to is the
	// plain name it is removed once more then, to be sure.
	Copy(ctx context.Context, from, to string, progress func(copied, total int64)) error

	// Remove removes a file that is not the database any more, with its journal and
	// WAL. It is no error if there is none.
	Remove(ctx context.Context, name string) error

	// LetGo is told each time this process gave up all that it held, so that others
	// use the database now. It is called on a goroutine of its own, and may come late.
	LetGo()
}

// ErrMoved: the database that was being copied was changed in a way that spoils
// the copy. See [Storage].
var ErrMoved = errors.New("locking: the database changed while it was copied")

// A Current says where a database is. The zero value is a register that was never
// used, or locks that have none.
type Current struct {
	Register string // ID of the register; "" if it was never used
	File     string // base name of the file that is the database; "" is the plain name
}
