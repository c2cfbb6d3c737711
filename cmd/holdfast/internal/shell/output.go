package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrOutput: the output cannot be written any more, most likely because whoever
// read it has ended. There is nobody to tell.
var ErrOutput = errors.New("shell: the output cannot be written")

// output is where results go: the program's own output, or a file that .output
// names.
type output struct {
	own   *bufio.Writer
	ownIO *sticky

	file   *os.File // nil: own is in use
	buffer *bufio.Writer
	once   bool // the file is for one input,
	fresh  bool // which is not this one
}

func newOutput(w io.Writer) *output {
	s := &sticky{w: w}
	return &output{own: bufio.NewWriter(s), ownIO: s}
}

// Write writes to whatever is in use.
func (o *output) Write(p []byte) (int, error) {
	if o.file != nil {
		return o.buffer.Write(p)
	}
	return o.own.Write(p)
}

// flush hands on what was written.
func (o *output) flush() error {
	if o.file != nil {
		return o.buffer.Flush()
	}
	return o.own.Flush()
}

// redirect sends what follows to a file, created anew.
func (o *output) redirect(name string, once bool) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := o.close(); err != nil {
		f.Close()
		return err
	}
	o.file, o.buffer, o.once, o.fresh = f, bufio.NewWriter(f), once, once
	return nil
}

// close goes back to the program's own output.
func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.buffer.Flush(), o.file.Close())
	o.file, o.buffer = nil, nil
	return err
}

// settle is called after each input.
func (o *output) settle() error {
	if o.file != nil && o.once && !o.fresh {
		return o.close()
	}
	o.fresh = false
	return o.flush()
}

// broken reports whether the program's own output failed.
func (o *output) broken() bool { return o.ownIO.err != nil }

// sticky remembers that the output failed.
type sticky struct {
	w   io.Writer
	err error
}

func (s *sticky) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	if err != nil {
		s.err = fmt.Errorf("%w: %w", ErrOutput, err)
	}
	return n, s.err
}
