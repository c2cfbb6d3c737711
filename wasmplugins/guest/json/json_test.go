package json

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"testing"
)

var texts = []string{
	``, ` `, `{}`, `[]`, `null`, `true`, `false`, `nul`, `truefalse`, `"x"`, `"`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, "\"\n\"",
	`0`, `-0`, `01`, `-`, `1.`, `1.5`, `.5`, `1e`, `1e+`, `1E-7`, `1e5x`, `[1,]`, `[,]`, `[1 2]`, `[1,2`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`,
	` { "a" : [ 1 , "two" , { "b" : null } ] , "c" : "\u00e9\n\/\\\"" } `, `{"a":1,"a":2}`, `{"\u0061":3}`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, "\"\xff\xfe\"", "\"\u00e9\"", `[[[[[]]]]]`, `[]]`, "[\f]",
	`{"succeeded":true,"responses":[{"response_range":{"kvs":[{"value":"aGk="}]}}],"header":{"revision":"7"}}`,
}

// FuzzParse compares with encoding/json, which every text means the same to.
func FuzzParse(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Parse(text)
		if valid := json.Valid(text); valid != (err == nil) {
			t.Fatalf("%q: %v, and encoding/json finds it valid: %v", text, err, valid)
		}
		var want any
		if err != nil {
			return
		}
		if err := json.Unmarshal(text, &want); err != nil {
			return // a number that is too large for encoding/json
		}
		if got := tree(v); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, want %#v", text, got, want)
		}
	})
}

// tree is a value as encoding/json has it.
func tree(v Value) any {
	switch c := v.text[0]; {
	case c == '{':
		all := map[string]any{}
		v.each('{', func(key []byte, _ Value) { all[unquote(key)] = tree(v.Get(unquote(key))) })
		return all
	case c == '[':
		all := []any{}
		for i := range v.Len() {
			all = append(all, tree(v.At(i)))
		}
		return all
	case c == '"':
		return v.Text()
	case c == 'n':
		return nil
	case c == 't' || c == 'f':
		return v.True()
	}
	n, err := strconv.ParseFloat(v.Text(), 64)
	if err != nil {
		return math.NaN()
	}
	return n
}

// FuzzQuote has encoding/json read what is written.
func FuzzQuote(f *testing.F) {
	for _, text := range append(texts, "\x00\x1f\x7f\u2028") {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := Quote(text)
		var got, want string
		if err := json.Unmarshal([]byte(quoted), &got); err != nil {
			t.Fatalf("%q became %s: %v", text, quoted, err)
		}
		v, err := Parse([]byte(quoted))
		if want = v.Text(); err != nil || got != want || got != string([]rune(text)) {
			t.Errorf("%q became %s, which encoding/json reads as %q, and this as %q, %v", text, quoted, got, want, err)
		}
	})
}

// What is not there is nothing.
func TestAbsent(t *testing.T) {
	v, err := Parse([]byte(`{"a":[1],"b":"text","c":null}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, nothing := range map[string]Value{
		"zero": {}, "member": v.Get("d"), "element": v.Get("a").At(1), "before": v.Get("a").At(-1),
		"of a text": v.Get("b").Get("x"), "of an array": v.Get("a").Get("x"), "of an object": v.At(0), "far": v.Get("d").At(3).Get("e"),
	} {
		if nothing.Text() != "" || nothing.Len() != 0 || nothing.True() || nothing.text != nil {
			t.Errorf("%s is %q", name, nothing.text)
		}
	}
	if v.Get("c").Text() != "" || v.Text() != "" || v.Get("a").Text() != "" {
		t.Error("null, an object or an array has a text")
	}
}
