package json

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Quote writes a string. What of it is no UTF-8 becomes U+FFFD.
func Quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}

// escapes are what the letters after a backslash mean.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unquote reads a string that is well-formed.
func unquote(b []byte) string {
	b = b[1 : len(b)-1]
	var out []byte
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case b[i+1] != 'u':
			i++
			out = append(out, escapes[b[i]])
		default:
			r, _ := hex4(b[i+2:])
			i += 5
			if utf16.IsSurrogate(r) {
				r = pair(r, b[i+1:])
				if r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return string([]rune(string(out))) // each byte that is no UTF-8 becomes U+FFFD
}

// pair returns what the first half of a surrogate pair is with what follows it, or U+FFFD.
func pair(first rune, rest []byte) rune {
	if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return utf8.RuneError
	}
	second, _ := hex4(rest[2:])
	return utf16.DecodeRune(first, second)
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil && b[0] != '+'
}
