package vfs

import (
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/spf13/afero"
)

// A foldingFs has its own idea of how names are spelled, as file systems of macOS and
// Windows have, and most SMB servers.
type foldingFs struct {
	afero.OsFs
	fold   func(base string) string
	hidden string // is not listed yet
}

func (f *foldingFs) spell(name string) string {
	dir, base := filepath.Split(filepath.Clean(name))
	return dir + f.fold(base)
}

func (f *foldingFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	file, err := f.OsFs.OpenFile(f.spell(name), flag, perm)
	return foldingFile{file, f}, err
}

func (f *foldingFs) Open(name string) (afero.File, error)  { return f.OpenFile(name, os.O_RDONLY, 0) }
func (f *foldingFs) Stat(name string) (fs.FileInfo, error) { return f.OsFs.Stat(f.spell(name)) }
func (f *foldingFs) Remove(name string) error              { return f.OsFs.Remove(f.spell(name)) }
func (f *foldingFs) Rename(from, to string) error          { return f.OsFs.Rename(f.spell(from), f.spell(to)) }

type foldingFile struct {
	afero.File
	fs *foldingFs
}

func (f foldingFile) Readdirnames(n int) ([]string, error) {
	names, err := f.File.Readdirnames(n)
	return slices.DeleteFunc(names, func(name string) bool { return name == f.fs.hidden }), err
}

// decomposed writes an accent as a character of its own.
func decomposed(name string) string { return strings.ReplaceAll(name, "\u00e9", "e\u0301") }

// A database has one spelling, or its hot journal would not be found.
func TestOtherSpellingsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, right, wrong string
		fold               func(string) string
	}{
		{"case", "app.db", "APP.db", strings.ToLower},
		{"normal form", "cafe\u0301.db", "caf\u00e9.db", decomposed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArbiter()
			dir := scratch(t)
			files := &foldingFs{fold: c.fold}
			one, two := a.process("one"), a.process("two")
			name := register(t, files, one.open)
			writer := connect(t, name, filepath.Join(dir, c.right), "")
			run(t, writer, "PRAGMA cache_size=5;"+thousandRows)
			run(t, writer, "BEGIN; DELETE FROM t WHERE x%2; UPDATE t SET y=hex(randomblob(200))")
			one.lose()
			name = register(t, files, two.open)
			_, err := tryConnect(name, filepath.Join(dir, c.wrong), "")
			checkSpelling(t, err, c.right)
			conn := connect(t, name, filepath.Join(dir, c.right), "")
			want(t, conn, "SELECT count(*) FROM t", "1000")
			want(t, conn, "PRAGMA integrity_check", "ok")
		})
	}
}

func checkSpelling(t *testing.T, err error, right string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "is spelled "+strconv.QuoteToASCII(right)) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v does not say that it is spelled %+q", err, right)
	}
}

// A directory may list a new file otherwise than it was created.
func TestSpellingOfANewDatabase(t *testing.T) {
	dir := scratch(t)
	name := register(t, &foldingFs{fold: decomposed}, perFile(locking.GradeLease))
	_, err := tryConnect(name, filepath.Join(dir, "caf\u00e9.db"), "")
	checkSpelling(t, err, "cafe\u0301.db")
	run(t, connect(t, name, filepath.Join(dir, "cafe\u0301.db"), ""), "CREATE TABLE t(x)")
}

// A database that goes on under another name is known by its marker.
func TestSpellingAfterATakeover(t *testing.T) {
	dir := scratch(t)
	path, wrong := filepath.Join(dir, "app.db"), filepath.Join(dir, "APP.db")
	r, file := takenOver(t, nil, path)
	v := &foldingFs{fold: func(base string) string {
		return strings.ReplaceAll(base, "APP", "app")
	}}
	name := register(t, v, registers{wrong: r.of(path)}.fenced)
	before := files(t, dir)
	for _, query := range []string{"", "&nolock=1&mode=ro"} {
		_, err := tryConnect(name, wrong, query)
		checkSpelling(t, err, "app.db.holdfast")
	}
	_, err := New(v, nil).Candidates(wrong)
	checkSpelling(t, err, "app.db.holdfast")
	if err := os.WriteFile(path, []byte(magic), 0o666); err != nil { // brought back by somebody
		t.Fatal(err)
	}
	_, err = tryConnect(name, wrong, "")
	checkSpelling(t, err, "app.db")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("files changed (-before +after):\n%.500s", diff)
	}
	all, err := New(v, nil).Candidates(path)
	if err != nil || len(all) != 1 || all[0].File != file {
		t.Errorf("candidates are %+v, %v", all, err)
	}
}

// What decides is whether it is the same file. The listing of a network file system may
// lag behind, and a symbolic link is no other spelling. Where the kernel's locks do,
// nothing is listed.
func TestSpellingsThatAreNotRefused(t *testing.T) {
	dir := scratch(t)
	for _, other := range []string{"APP.db", "App.db"} {
		if err := os.WriteFile(filepath.Join(dir, other), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("app.db", filepath.Join(dir, "current.db")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "app.db")
	connect(t, register(t, nil, perFile(locking.GradeLease)), path, "").Close()
	lagging := &foldingFs{fold: func(base string) string { return base }, hidden: "app.db"}
	run(t, connect(t, register(t, lagging, perFile(locking.GradeLease)), path, ""), "CREATE TABLE t(x)")

	folding := &foldingFs{fold: strings.ToLower}
	run(t, connect(t, register(t, folding, perFile(locking.GradeKernel)), filepath.Join(dir, "APP.DB"), ""), "SELECT * FROM t")
}

// A name that cannot be leased is refused before anything is there. Where the kernel's
// locks do, it is as good as any other.
func TestNamesThatCannotBeLeased(t *testing.T) {
	for _, base := range []string{`a\b.db`, "a\nb.db", "caf\xe9.db", strings.Repeat("a", 230) + ".db"} {
		for _, c := range []struct {
			grade locking.Grade
			open  Opener
		}{
			{locking.GradeKernel, perFile(locking.GradeKernel)},
			{locking.GradeLease, perFile(locking.GradeLease)},
			{locking.GradeFenced, registers{}.fenced},
		} {
			dir := scratch(t)
			conn, err := tryConnect(register(t, nil, c.open), dir+"/"+url.PathEscape(base), "")
			if err == nil {
				err = conn.Exec("CREATE TABLE t(x)")
				conn.Close()
			}
			if c.grade == locking.GradeKernel {
				if err != nil || !slices.Equal(slices.Collect(maps.Keys(files(t, dir))), []string{base}) {
					t.Errorf("%q with kernel locks: %v, %d files", base, err, len(files(t, dir)))
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), "rename the file") || strings.Contains(err.Error(), "\n") || len(files(t, dir)) > 0 {
				t.Errorf("%q with grade %s: %v, %d files", base, c.grade, err, len(files(t, dir)))
			}
		}
	}
}
