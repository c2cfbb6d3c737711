package shell

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// byteOrderMark is what some programs write before a text in UTF-8.
const byteOrderMark = "\ufeff"

// A csvReader reads rows of fields as the shell of SQLite does, and changes no byte of
// a field. A field in quotes goes on to the next quote that is not doubled; any other
// to the next separator or line end. A line ends in LF or CRLF.
type csvReader struct {
	r         *bufio.Reader
	separator string
	begun     bool

	line  int  // at which the last row began
	blank bool // that was an empty line

	at    int // the present line
	row   []string
	field []byte
}

func newCSVReader(r io.Reader, separator string) *csvReader {
	return &csvReader{r: bufio.NewReader(r), separator: separator, at: 1}
}

// next returns the next row, which is good until the next call, and io.EOF after the
// last.
func (c *csvReader) next() ([]string, error) {
	if !c.begun {
		if _, err := c.skip(byteOrderMark); err != nil {
			return nil, err
		}
		c.begun = true
	}
	if _, err := c.r.Peek(1); err != nil {
		return nil, err
	}
	c.line, c.row, c.blank = c.at, c.row[:0], false
	for more := true; more; {
		quoted, err := c.skip(`"`)
		if err == nil && quoted {
			more, err = c.quoted()
		} else if err == nil {
			more, err = c.plain()
		}
		if err != nil {
			return nil, err
		}
		c.row = append(c.row, string(c.field))
		c.blank = !quoted && len(c.row) == 1 && len(c.field) == 0
	}
	return c.row, nil
}

// plain reads a field without quotes, and what ends it. It reports whether there are
// more in the row.
func (c *csvReader) plain() (more bool, err error) {
	c.field = c.field[:0]
	for {
		b, err := c.r.ReadByte()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case b == '\n':
			c.at++
			c.cut("\r")
			return false, nil
		}
		c.field = append(c.field, b)
		if c.cut(c.separator) {
			return true, nil
		}
	}
}

// cut removes an ending of the field, if it has it.
func (c *csvReader) cut(ending string) bool {
	n := len(c.field) - len(ending)
	if n < 0 || string(c.field[n:]) != ending {
		return false
	}
	c.field = c.field[:n]
	return true
}

// quoted reads a field after its first quote, and what ends it. It reports whether
// there are more in the row.
func (c *csvReader) quoted() (more bool, err error) {
	c.field = c.field[:0]
	began := c.at
	for {
		b, err := c.r.ReadByte()
		switch {
		case err == io.EOF:
			return false, fmt.Errorf("line %d: a quote is not closed", began)
		case err != nil:
			return false, err
		case b == '"':
			if doubled, err := c.skip(`"`); err != nil {
				return false, err
			} else if !doubled {
				return c.closed()
			}
		case b == '\n':
			c.at++
		}
		c.field = append(c.field, b)
	}
}

// closed reads what follows a closing quote.
func (c *csvReader) closed() (more bool, err error) {
	for _, end := range []string{"\n", c.separator, "\r\n"} {
		if found, err := c.skip(end); err != nil || found {
			if strings.HasSuffix(end, "\n") {
				c.at++
			}
			return end == c.separator, err
		}
	}
	rest, err := c.r.Peek(2)
	switch {
	case err != nil && err != io.EOF:
		return false, err
	case string(rest) == "" || string(rest) == "\r":
		_, err = c.r.Discard(len(rest))
		return false, err
	}
	return false, fmt.Errorf("line %d: what follows the closing quote is neither a separator nor the end of the line", c.at)
}

// skip skips a text, and reports whether it came next.
func (c *csvReader) skip(text string) (bool, error) {
	next, err := c.r.Peek(len(text))
	if string(next) == text {
		_, err = c.r.Discard(len(text))
		return true, err
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return false, err
}
