//go:build linux

package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

func TestArchive(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	writeFile(t, program, "code")
	var b bytes.Buffer
	a := newArchive(&b)
	a.dir("usr/bin")
	a.link("bin", "usr/bin")
	a.text("etc/a/b", 0o644, "text")
	a.file("bin/program", program)
	a.file("usr/bin/program", program) // once is enough
	a.file("lib/new/program", program)
	a.dir("tmp")
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := cpio.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%06o %d:%d %s %s%s", h.Mode, h.Uid, h.Guid, h.Name, h.Linkname, data))
	}
	want := []string{
		"040755 0:0 usr ",
		"040755 0:0 usr/bin ",
		"120777 0:0 bin usr/bin",
		"040755 0:0 etc ",
		"040755 0:0 etc/a ",
		"100644 0:0 etc/a/b text",
		"100755 0:0 usr/bin/program code",
		"040755 0:0 usr/lib ",
		"040755 0:0 usr/lib/new ",
		"100755 0:0 usr/lib/new/program code",
		"041777 0:0 tmp ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestArchiveKeepsTheFirstError(t *testing.T) {
	a := newArchive(io.Discard)
	a.file("x", filepath.Join(t.TempDir(), "gone"))
	a.text("y", 0o644, "fine")
	if err := a.close(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("close: %v, want %v", err, fs.ErrNotExist)
	}
}
