package shell

import (
	"bufio"
	"context"
	"io"
	"os"

	"github.com/ncruces/go-sqlite3"
)

// An input is read on goroutines of its own, since neither an open nor a read can be
// interrupted: there may be a pipe that nobody writes to, or a mount that hangs. A
// goroutine for which nobody waits any more ends with its read, or with the program.
// Whoever waited gets [sqlite3.INTERRUPT], as for a statement.
type input struct {
	r       io.Reader
	ctx     context.Context // of whoever reads: its end ends a Read early
	pending <-chan []byte   // what the read that is under way will bring; nil: none is
	buf     []byte          // of the goroutine while there is one
	rest    []byte          // of buf, not handed on yet
	err     error           // of the last read; set before pending is ready
}

func newInput(r io.Reader) *input { return &input{r: r, buf: make([]byte, 64<<10)} }

// openInput opens a file to read.
func openInput(ctx context.Context, name string) (*input, error) {
	type result struct {
		f   *os.File
		err error
	}
	opened := make(chan result, 1)
	go func() {
		f, err := os.Open(name)
		opened <- result{f, err}
	}()
	select {
	case got := <-opened:
		if got.err != nil {
			return nil, got.err
		}
		in := newInput(got.f)
		in.ctx = ctx
		return in, nil
	case <-ctx.Done():
		go func() {
			if got := <-opened; got.err == nil {
				got.f.Close()
			}
		}()
		return nil, sqlite3.INTERRUPT
	}
}

// Close closes the file, without waiting for a read that is under way.
func (in *input) Close() {
	f, ok := in.r.(io.Closer)
	switch {
	case !ok:
	case in.pending == nil:
		f.Close()
	default:
		go f.Close()
	}
}

// Read reads. What a read brings for which nobody waited is returned by the next.
func (in *input) Read(p []byte) (int, error) {
	if len(in.rest) == 0 {
		if in.pending == nil {
			pending := make(chan []byte, 1)
			in.pending = pending
			go func() {
				n, err := in.r.Read(in.buf)
				in.err = err
				pending <- in.buf[:n]
			}()
		}
		select {
		case in.rest = <-in.pending:
			in.pending = nil
		case <-in.ctx.Done():
			return 0, sqlite3.INTERRUPT
		}
		if len(in.rest) == 0 {
			return 0, in.err
		}
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}

// A lineReader reads lines.
type lineReader struct {
	in *input
	r  *bufio.Reader
}

func readLines(in *input) *lineReader { return &lineReader{in, bufio.NewReader(in)} }

// next is a [liner].
func (l *lineReader) next(ctx context.Context) (string, error) {
	l.in.ctx = ctx
	line, err := l.r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil // it comes again
	}
	return line, err
}
