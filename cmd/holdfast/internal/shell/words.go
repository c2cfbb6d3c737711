package shell

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// words splits a dot-command as sqlite3 does: at white space, except inside
// quotes; backslashes mean what they do in C inside double quotes only.
func words(line string) ([]string, error) {
	var all []string
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return all, nil
		}
		word, rest, err := firstWord(line)
		if err != nil {
			return nil, err
		}
		all, line = append(all, word), rest
	}
}

func firstWord(line string) (word, rest string, err error) {
	switch line[0] {
	case '\'':
		word, rest, closed := strings.Cut(line[1:], "'")
		if !closed {
			return "", "", errors.New("a quote (') is not closed")
		}
		return word, rest, nil
	case '"':
		return doubleQuoted(line[1:])
	}
	if i := strings.IndexAny(line, " \t\r\n"); i >= 0 {
		return line[:i], line[i:], nil
	}
	return line, "", nil
}

func doubleQuoted(line string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '"':
			return b.String(), line[i+1:], nil
		case '\\':
			char, n := escape(line[i+1:])
			b.WriteByte(char)
			i += n
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New(`a quote (") is not closed`)
}

// escape returns the character that an escape sequence after its backslash means,
// and how long the sequence is.
func escape(s string) (byte, int) {
	if s == "" {
		return '\\', 0
	}
	if i := strings.IndexByte("abtnvfr", s[0]); i >= 0 {
		return byte(7 + i), 1
	}
	octal := 0
	for octal < min(3, len(s)) && s[octal] >= '0' && s[octal] <= '7' {
		octal++
	}
	if n, err := strconv.ParseUint(s[:octal], 8, 8); err == nil {
		return byte(n), octal
	}
	return s[0], 1
}

// onOff reads a boolean as sqlite3 does.
func onOff(word string) (bool, error) {
	switch strings.ToLower(word) {
	case "on", "yes", "true", "1":
		return true, nil
	case "off", "no", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", word)
}
