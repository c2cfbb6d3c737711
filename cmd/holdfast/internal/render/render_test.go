package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() ([]string, [][]Value) {
	return []string{"i", "a real", "text", "blob", "n"}, [][]Value{
		{{Integer, "1"}, {Float, "1.0"}, {Text, "plain"}, {Blob, "plain"}, {}},
		{{Integer, "-2"}, {Float, "0.1"}, {Text, `it's "q", x|y`}, {Blob, "\x00\xff\x10"}, {Text, ""}},
		{{Integer, "3"}, {Float, "1.0e+100"}, {Text, "two\nlines"}, {Blob, ""}, {Float, "Inf"}},
		{{Integer, "4"}, {Float, "-Inf"}, {Text, "tab\tx\x1b[31m\x7f"}, {Blob, "ünï"}, {Text, "日本語"}},
		{{Integer, "5"}, {Float, "0.30000000000000004"}, {Text, "nul\x00bad\xff"}, {Blob, "\x1b"}, {Text, " lead"}},
	}
}

func renderAll(t *testing.T, opts Options, columns []string, rows [][]Value) string {
	t.Helper()
	var b bytes.Buffer
	w := New(&b, opts)
	if err := w.Begin(columns); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestModes(t *testing.T) {
	columns, rows := sample()
	for _, mode := range Modes() {
		t.Run(mode, func(t *testing.T) {
			opts := Options{Null: "∅", Table: "a table"}
			if err := opts.SetMode(mode); err != nil {
				t.Fatal(err)
			}
			golden(t, mode+".golden", renderAll(t, opts, columns, rows))
			opts.Headers = !opts.Headers
			golden(t, mode+"-headers.golden", renderAll(t, opts, columns, rows)+"--- no rows:\n"+renderAll(t, opts, columns, nil))
		})
	}
}

func TestUnknownModeNamesTheKnown(t *testing.T) {
	var opts Options
	err := opts.SetMode("boxx")
	if err == nil || !strings.Contains(err.Error(), "box, column") {
		t.Errorf("SetMode(boxx) = %v, want an error that lists the modes", err)
	}
}

// TestLongTable prints one result in several chunks: it must look like one table.
func TestLongTable(t *testing.T) {
	for _, mode := range []string{"box", "table", "markdown", "column"} {
		t.Run(mode, func(t *testing.T) {
			var opts Options
			if err := opts.SetMode(mode); err != nil {
				t.Fatal(err)
			}
			var rows [][]Value
			for i := range 3*chunkRows + 7 {
				rows = append(rows, []Value{{Integer, strconv.Itoa(10000 + i)}, {Text, "same"}})
			}
			got := strings.Split(renderAll(t, opts, []string{"n", "t"}, rows), "\n")
			short := strings.Split(renderAll(t, opts, []string{"n", "t"}, rows[:7]), "\n")
			if want := len(rows) - 7 + len(short); len(got) != want {
				t.Fatalf("%d lines, want %d", len(got), want)
			}
			for i, line := range got[:len(got)-1] {
				if utf8.RuneCountInString(line) != utf8.RuneCountInString(got[0]) {
					t.Fatalf("line %d is %q, the first %q", i, line, got[0])
				}
			}
			if diff := cmp.Diff(short[len(short)-2:], got[len(got)-2:]); mode != "markdown" && mode != "column" && diff != "" {
				t.Errorf("last lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWidthsWrap(t *testing.T) {
	opts := Options{Widths: []int{4}}
	if err := opts.SetMode("box"); err != nil {
		t.Fatal(err)
	}
	golden(t, "widths.golden", renderAll(t, opts, []string{"a", "b"},
		[][]Value{{{Text, "abcdefghij"}, {Text, "abcdefghij"}}}))
}

// TestBoundedMemory writes a result much larger than what may be kept.
func TestBoundedMemory(t *testing.T) {
	field := strings.Repeat("x", 64<<10)
	for _, mode := range []string{"box", "csv", "insert", "json", "line"} { // one of each kind
		t.Run(mode, func(t *testing.T) {
			var opts Options
			if err := opts.SetMode(mode); err != nil {
				t.Fatal(err)
			}
			sink := &countingSink{base: heap()}
			w := New(sink, opts)
			if err := w.Begin([]string{"a"}); err != nil {
				t.Fatal(err)
			}
			for range 192 { // 12 MiB
				if err := w.Row([]Value{{Text, field + strconv.Itoa(sink.written)}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
			if sink.written < 192*len(field) {
				t.Errorf("%d bytes written, want at least %d", sink.written, 192*len(field))
			}
			if sink.peak > 10<<20 {
				t.Errorf("heap grew by %d MiB", sink.peak>>20)
			}
		})
	}
}

// countingSink notes how large the heap is when it is written to.
type countingSink struct {
	written, looked int
	base, peak      uint64
}

func (s *countingSink) Write(p []byte) (int, error) {
	s.written += len(p)
	if s.peak == 0 || s.written-s.looked > 512<<10 {
		s.looked = s.written
		s.peak = max(s.peak, heap()-min(s.base, heap()))
	}
	return len(p), nil
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
