package scaffold

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/wasmplugins/c"
)

// TestBuildC: a plugin in C is built as its header says.
func TestBuildC(t *testing.T) {
	var want string
	for line := range strings.Lines(c.Header) {
		if _, command, ok := strings.Cut(line, "clang --target"); ok {
			want = "clang --target" + strings.TrimSuffix(command, "mine.c\n") + "plugin.c\n"
		}
	}
	dir := filepath.Join(t.TempDir(), "mine")
	if _, err := Write(dir, Kind{"c", "lock"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"build.sh", "README.md"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || want == "" || !strings.Contains(string(text), want) {
			t.Errorf("%s (%v) does not have %q:\n%s", name, err, want, text)
		}
	}
}
