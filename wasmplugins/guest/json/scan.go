package json

import "bytes"

// space returns where the white space at i ends.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skip returns where the value at i ends, which is no deeper than so, or -1 if there is none.
//
// https://www.rfc-editor.org/rfc/rfc8259
func skip(b []byte, i, depth int) int {
	if i < 0 || i >= len(b) || depth == 0 {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '[':
		return skipParts(b, i, ']', func(i int) int { return skip(b, i, depth-1) })
	case '{':
		return skipParts(b, i, '}', func(i int) int {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			end := skipString(b, i)
			if end < 0 {
				return -1
			}
			if end = space(b, end); end == len(b) || b[end] != ':' {
				return -1
			}
			return skip(b, space(b, end+1), depth-1)
		})
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(b[i:], []byte(word)) {
			return i + len(word)
		}
	}
	return skipNumber(b, i)
}

// skipParts passes over what is between two brackets.
func skipParts(b []byte, i int, last byte, part func(int) int) int {
	if i = space(b, i+1); i < len(b) && b[i] == last {
		return i + 1
	}
	for {
		if i = part(i); i < 0 {
			return -1
		}
		if i = space(b, i); i == len(b) || b[i] != last && b[i] != ',' {
			return -1
		}
		if b[i] == last {
			return i + 1
		}
		i = space(b, i+1)
	}
}

func skipString(b []byte, i int) int {
	for i++; i < len(b) && b[i] >= ' '; i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			if i++; i == len(b) || !bytes.ContainsRune([]byte(`"\/bfnrtu`), rune(b[i])) {
				return -1
			}
			if b[i] == 'u' {
				if _, ok := hex4(b[i+1:]); !ok {
					return -1
				}
			}
		}
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	start := i
	if i = digits(b, i); i < 0 || b[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = digits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return digits(b, i)
	}
	return i
}

// digits passes over one or more.
func digits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
