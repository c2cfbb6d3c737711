//go:build unix

package meter

import (
	"bytes"
	"io"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"
)

func TestPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		m := New(&out, "copying")
		for i := range 51 {
			m.Set(int64(i)*100_000, 5_000_000)
			time.Sleep(100 * time.Millisecond)
		}
		m.End(true)
		if want := "copying: 2.0 MB of 5.0 MB (40%)\ncopying: 4.0 MB of 5.0 MB (80%)\n"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

func TestBar(t *testing.T) {
	t.Setenv("TERM", "xterm")
	for _, ok := range []bool{true, false} {
		screen, out, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		m := New(out, "copying")
		m.Set(0, 0)
		m.Set(2_000_000, 5_000_000)
		m.Set(5_000_000, 5_000_000)
		m.End(ok)
		out.Close()
		shown, _ := io.ReadAll(screen) // a terminal without a program is an error
		screen.Close()
		want := `copying.*(5\.00MB.*done|done.*5\.00MB)`
		if !ok {
			want = `copying.*fail`
		}
		if !regexp.MustCompile(want).Match(shown) {
			t.Errorf("%q, want %s", shown, want)
		}
	}
}
