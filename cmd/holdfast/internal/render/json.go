package render

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// jsonWriter writes one array, with one object a row and line. The columns keep
// their order.
type jsonWriter struct {
	w     io.Writer
	names []string // as JSON
	rows  int
}

func newJSON(w io.Writer, _ Options) Writer { return &jsonWriter{w: w} }

// Begin opens the array.
func (j *jsonWriter) Begin(columns []string) error {
	for _, name := range columns {
		j.names = append(j.names, jsonString(name))
	}
	_, err := io.WriteString(j.w, "[")
	return err
}

// Row writes one row.
func (j *jsonWriter) Row(values []Value) error {
	var b strings.Builder
	if j.rows++; j.rows > 1 {
		b.WriteString(",\n")
	}
	for i, v := range values {
		b.WriteString("{,"[min(i, 1) : min(i, 1)+1])
		b.WriteString(j.names[i] + ":" + jsonValue(v))
	}
	b.WriteString("}")
	_, err := io.WriteString(j.w, b.String())
	return err
}

// End closes the array.
func (j *jsonWriter) End() error {
	_, err := io.WriteString(j.w, "]\n")
	return err
}

func jsonValue(v Value) string {
	switch v.Kind {
	case Null:
		return "null"
	case Integer:
		return v.Text
	case Float:
		return floatLiteral(v.Text) // infinities as sqlite3 writes them: valid JSON
	case Blob:
		if !utf8.ValidString(v.Text) {
			return jsonString(latin1(v.Text))
		}
	}
	return jsonString(v.Text)
}

// latin1 makes each byte of a blob the character of that number. (sqlite3 writes
// the bytes as they are, which is not valid JSON.)
func latin1(blob string) string {
	runes := make([]rune, len(blob))
	for i := range len(blob) {
		runes[i] = rune(blob[i])
	}
	return string(runes)
}

func jsonString(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // no string is refused
	}
	return strings.TrimSuffix(b.String(), "\n")
}
