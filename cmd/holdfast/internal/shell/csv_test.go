package shell

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/render"
)

// rowsOf reads all rows.
func rowsOf(r io.Reader, separator string) (rows [][]string, err error) {
	in := newCSVReader(r, separator)
	for {
		row, err := in.next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, append([]string(nil), row...))
	}
}

func TestCSV(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       [][]string
	}{
		{"nothing", "", nil},
		{"mark alone", "\ufeff", nil},
		{"no line end", "a,b", [][]string{{"a", "b"}}},
		{"both line ends", "a,b\r\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}},
		{"empty fields", ",\n,,", [][]string{{"", ""}, {"", "", ""}}},
		{"empty lines", "\na\n\r\n\n", [][]string{{""}, {"a"}, {""}, {""}}},
		{"quotes", "\"a,\"\"b\"\"\",\"\"\n\"c\"", [][]string{{`a,"b"`, ""}, {"c"}}},
		{"line ends in quotes", "\"a\r\nb\nc\rd\"\r\n\"e\"\r", [][]string{{"a\r\nb\nc\rd"}, {"e"}}},
		{"spaces are kept", " a , b \n", [][]string{{" a ", " b "}}},
		{"quote inside", "a\"b\"\"c,1\"\n", [][]string{{`a"b""c`, `1"`}}},
		{"carriage returns outside quotes", "a\rb\r\r\nc\r", [][]string{{"a\rb\r"}, {"c\r"}}},
		{"mark before text", "\ufeffid\n\ufeffx\n", [][]string{{"id"}, {"\ufeffx"}}},
		{"mark before a quote", "\ufeff\"i,d\"\n", [][]string{{"i,d"}}},
		{"mark in quotes", "\"\ufeffid\"\n", [][]string{{"\ufeffid"}}},
		{"half a mark", "\xef\xbbx\n", [][]string{{"\xef\xbbx"}}},
		{"any bytes", "\x00\xff,\"\xfe\x00\"\n", [][]string{{"\x00\xff", "\xfe\x00"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(test.text), "by the byte": iotest.OneByteReader(strings.NewReader(test.text))} {
				got, err := rowsOf(r, ",")
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s: rows (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestCSVSeparators(t *testing.T) {
	for separator, text := range map[string]string{
		"|": "a|\"b|\"|,\n", "\t": "a\t\"b|\"\t,\n", "§": "a§\"b|\"§,\n", "\xff": "a\xff\"b|\"\xff,\n", "\u00a7\u00a7": "a§§\"b|\"§§,\n",
	} {
		got, err := rowsOf(strings.NewReader(text), separator)
		if diff := cmp.Diff([][]string{{"a", "b|", ","}}, got); diff != "" || err != nil {
			t.Errorf("%q (%v) (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestCSVRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\"b\nc":       "line 2: a quote is not closed",
		"\"\na\"\n\"b\"c": "line 3: what follows the closing quote is neither a separator nor the end of the line",
		"\"a\"\rb":        "line 1: what follows the closing quote",
		"\"a\"\r\r\n":     "line 1: what follows the closing quote",
	} {
		if got, err := rowsOf(strings.NewReader(text), ","); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"a", "a,", "a\n", `"a`, `"a"`, "\"a\"\r"} {
		if got, err := rowsOf(io.MultiReader(strings.NewReader(text), iotest.ErrReader(errPipe)), ","); err != errPipe {
			t.Errorf("%q, and then an error: %q, %v, want %v", text, got, err, errPipe)
		}
	}
}

// exported is how the mode csv writes rows.
func exported(t *testing.T, rows [][]string, separator string) string {
	t.Helper()
	var opts render.Options
	if err := opts.SetMode("csv"); err != nil {
		t.Fatal(err)
	}
	opts.Separator = separator
	var b strings.Builder
	w := render.New(&b, opts)
	for _, row := range rows {
		values := make([]render.Value, len(row))
		for i, field := range row {
			if values[i] = (render.Value{Kind: render.Text, Text: field}); field == "" && i%2 == 0 {
				values[i] = render.Value{Kind: render.Null}
			}
		}
		if err := w.Row(values); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// comesBack checks that what is exported is read as it was.
func comesBack(t *testing.T, rows [][]string, separator string) {
	t.Helper()
	text := exported(t, rows, separator)
	got, err := rowsOf(strings.NewReader(text), separator)
	if diff := cmp.Diff(rows, got); diff != "" || err != nil {
		t.Errorf("%q (%v) (-want +got):\n%s", text, err, diff)
	}
}

func TestWhatIsExportedComesBack(t *testing.T) {
	pieces := []string{"", "a", " ", ",", "\"", "'", "\r", "\n", "\r\n", "\ufeff", "\xef", "\xff", "\x00", "§", "|", "\\"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var rows [][]string
		columns := 1 + random.IntN(3)
		for range 1 + random.IntN(4) {
			row := make([]string, columns)
			for i := range row {
				for range random.IntN(4) {
					row[i] += pieces[random.IntN(len(pieces))]
				}
			}
			rows = append(rows, row)
		}
		comesBack(t, rows, []string{",", "|", "\t", "§"}[random.IntN(4)])
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("a,\"b\"\r\n", "x", 2)
	f.Fuzz(func(t *testing.T, first, second string, count int) {
		rows := [][]string{{first, second}, {second, first}}
		if count%2 == 0 {
			rows = [][]string{{first}, {second}, {first + second}}
		}
		comesBack(t, rows, ",")
		rowsOf(strings.NewReader(first), ",") // whatever it is
	})
}

// TestImportKeeps: a file is read to the letter, as sqlite3 does.
func TestImportKeeps(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, dir, "lines.csv", "1,\"a\r\nb\"\n\n2,c\n\r\n")
	write(t, dir, "mark.csv", "\ufeffid,\"a b\"\n1,2\n")
	write(t, dir, "blank.csv", "\n\nid\n\n1\n")
	script(t, ".mode csv\n.once null.csv\nSELECT NULL UNION ALL SELECT 'a' UNION ALL SELECT '';\n"+
		"CREATE TABLE one(a); CREATE TABLE two(a, b);\n.import null.csv one\n.import lines.csv two\n.import mark.csv marked\n.import blank.csv blank\n"+
		".mode json\nSELECT * FROM one; SELECT * FROM two; SELECT * FROM marked; SELECT * FROM blank;\n").check(t,
		"[{\"a\":\"\"},\n{\"a\":\"a\"},\n{\"a\":\"\"}]\n[{\"a\":\"1\",\"b\":\"a\\r\\nb\"},\n{\"a\":\"2\",\"b\":\"c\"}]\n[{\"id\":\"1\",\"a b\":\"2\"}]\n[{\"id\":\"\"},\n{\"id\":\"1\"}]\n",
		"3 rows imported into one\n2 rows imported into two\n1 rows imported into marked\n2 rows imported into blank\n", false)
}
