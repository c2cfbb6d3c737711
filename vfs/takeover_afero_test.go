package vfs

import (
	"testing"

	"github.com/spf13/afero"
)

// Takeovers work on file systems that are not the operating system's, and where
// nothing can be written nothing is.
func TestTakeoverOverAfero(t *testing.T) {
	// Not the one in memory, whose listing panics beside a removal.
	files := afero.NewBasePathFs(afero.NewOsFs(), scratch(t))
	r, file := takenOver(t, files, "/app.db")
	ro := register(t, afero.NewReadOnlyFs(files), r.fenced)
	want(t, connect(t, ro, "/app.db", ""), "SELECT sum(x) FROM t", "3")
	all, err := New(files, r.fenced).Candidates("/app.db")
	if err != nil || len(all) != 1 || all[0].File != file || all[0].Epoch == 0 || all[0].Size == 0 || all[0].Changes == 0 {
		t.Errorf("candidates are %+v, %v", all, err)
	}
	if err := files.Remove("/app.db" + markerSuffix); err != nil {
		t.Fatal(err)
	}
	want(t, connect(t, ro, "/app.db", ""), "SELECT sum(x) FROM t", "3")
	if _, err := files.Stat("/app.db" + markerSuffix); err == nil {
		t.Error("a marker was written")
	}
}
