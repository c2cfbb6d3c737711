// Package json reads the answers of servers, and writes texts into requests. It is a
// fortieth of encoding/json, which alone would nearly double a plugin.
package json

import "errors"

// A Value is a part of a text that [Parse] has found to be right. The zero Value is that of
// something that is not there: every method of it returns a zero value.
type Value struct{ text []byte }

// ErrSyntax: a text is no JSON.
var ErrSyntax = errors.New("not JSON")

// mostDepth is how deep values may lie in one another.
const mostDepth = 1000

// Parse returns the one value that a text is, or [ErrSyntax].
func Parse(text []byte) (Value, error) {
	start := space(text, 0)
	end := skip(text, start, mostDepth)
	if end < 0 || space(text, end) != len(text) {
		return Value{}, ErrSyntax
	}
	return Value{text[start:end]}, nil
}

// Get returns the member of an object, the last one if there are several.
func (v Value) Get(name string) (found Value) {
	v.each('{', func(key []byte, member Value) {
		if unquote(key) == name {
			found = member
		}
	})
	return found
}

// At returns an element of an array.
func (v Value) At(n int) (found Value) {
	i := 0
	v.each('[', func(_ []byte, element Value) {
		if i == n {
			found = element
		}
		i++
	})
	return found
}

// Len returns how many elements an array has.
func (v Value) Len() (n int) {
	v.each('[', func([]byte, Value) { n++ })
	return n
}

// Text returns a string, or a number or a word as it is written.
func (v Value) Text() string {
	switch {
	case len(v.text) == 0 || v.text[0] == '{' || v.text[0] == '[' || string(v.text) == "null":
		return ""
	case v.text[0] == '"':
		return unquote(v.text)
	}
	return string(v.text)
}

// True reports whether it is true.
func (v Value) True() bool { return string(v.text) == "true" }

// each calls do for the parts of an array or an object, which are well-formed.
func (v Value) each(open byte, do func(key []byte, part Value)) {
	if len(v.text) == 0 || v.text[0] != open {
		return
	}
	b := v.text
	for i := space(b, 1); b[i] != ']' && b[i] != '}'; {
		var key []byte
		if open == '{' {
			end := skip(b, i, 1)
			key = b[i:end]
			i = space(b, space(b, end)+1) // the colon
		}
		end := skip(b, i, mostDepth)
		do(key, Value{b[i:end]})
		if i = space(b, end); b[i] == ',' {
			i = space(b, i+1)
		}
	}
}
