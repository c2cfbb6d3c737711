package vfs

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// wrapped hides that it is [afero.OsFs].
type wrapped struct{ afero.Fs }

// places are the file systems on which everything must work.
var places = []struct {
	name  string
	grade locking.Grade
	files func(testing.TB) (files afero.Fs, dir string)
}{
	{"kernel locks", locking.GradeKernel, func(t testing.TB) (afero.Fs, string) { return nil, scratch(t) }},
	{"os", locking.GradeLease, func(t testing.TB) (afero.Fs, string) { return nil, scratch(t) }},
	{"fenced", locking.GradeFenced, func(t testing.TB) (afero.Fs, string) { return nil, scratch(t) }},
	{"afero over os", locking.GradeLease, func(t testing.TB) (afero.Fs, string) { return wrapped{afero.NewOsFs()}, scratch(t) }},
	{"afero in memory", locking.GradeLease, func(testing.TB) (afero.Fs, string) { return afero.NewMemMapFs(), "/" }},
	{"afero base path", locking.GradeLease, func(t testing.TB) (afero.Fs, string) {
		return afero.NewBasePathFs(afero.NewOsFs(), scratch(t)), "/"
	}},
}

// perFile gives each database locks of its own.
func perFile(grade locking.Grade) Opener {
	locks := make(map[string]*arbiter)
	return func(_ context.Context, path string, _ url.Values, _ locking.Storage) (locking.Locker, error) {
		if locks[path] == nil {
			locks[path] = newArbiter()
		}
		p := locks[path].process("p")
		p.grade = grade
		return p, nil
	}
}

// A bench is an open database, and how to name others beside it.
type bench struct {
	*testing.T
	conn *sqlite3.Conn
	uri  func(file string) string
}

func (b bench) run(sql string)          { b.T.Helper(); run(b, b.conn, sql) }
func (b bench) want(sql, expect string) { b.T.Helper(); want(b, b.conn, sql, expect) }

// other opens another database, looks at one value, and closes it.
func (b bench) other(file, sql, expect string) {
	b.T.Helper()
	conn, err := sqlite3.Open(b.uri(file))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	want(b, conn, sql, expect)
	want(b, conn, "PRAGMA integrity_check", "ok")
}

const thousandRows = `CREATE TABLE t(x INTEGER PRIMARY KEY, y);
	WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<1000)
	INSERT INTO t SELECT n, hex(randomblob(100)) FROM c;`

var features = []struct {
	name string
	run  func(b bench)
}{
	{"update and delete", func(b bench) {
		b.run(thousandRows + "DELETE FROM t WHERE x%2; UPDATE t SET y=x")
		b.want("SELECT count(*)||':'||sum(y) FROM t", "500:250500")
	}},
	{"rollback to a savepoint", func(b bench) {
		if b.off() {
			return
		}
		b.run(thousandRows + "PRAGMA cache_size=5; BEGIN; DELETE FROM t WHERE x>900; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT")
		b.want("SELECT count(*) FROM t", "900")
	}},
	{"rollback", func(b bench) {
		if b.off() {
			return
		}
		b.run(thousandRows + "PRAGMA cache_size=5; BEGIN; UPDATE t SET y=1; ROLLBACK")
		b.want("SELECT count(*) FROM t WHERE y=1", "0")
	}},
	{"attach", func(b bench) {
		if FileOf(b.conn, "main").Grade() == locking.GradeFenced {
			return // it takes a super-journal
		}
		b.run("CREATE TABLE a(x); ATTACH '" + b.uri("b.db") + "' AS b; ATTACH '" + b.uri("c.db") + "' AS c;" +
			"CREATE TABLE b.b(x); CREATE TABLE c.c(x);" +
			"BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); INSERT INTO c VALUES (3); COMMIT")
		b.want("SELECT a.x+b.x+c.x FROM a, b, c", "6")
		b.run("DETACH b; DETACH c")
		b.other("b.db", "SELECT x FROM b", "2")
	}},
	{"vacuum", func(b bench) {
		b.run(thousandRows + "DELETE FROM t WHERE x>10; VACUUM")
		b.want("SELECT page_count<20 FROM pragma_page_count", "1")
		b.want("SELECT count(*) FROM t", "10")
	}},
	{"vacuum into", func(b bench) {
		b.run(thousandRows + "VACUUM INTO '" + b.uri("copy.db") + "'")
		b.other("copy.db", "SELECT count(*) FROM t", "1000")
	}},
	{"backup", func(b bench) {
		b.run(thousandRows)
		if err := b.conn.Backup("main", b.uri("copy.db")); err != nil {
			b.Fatal(err)
		}
		b.other("copy.db", "SELECT count(*) FROM t", "1000")
	}},
	{"restore", func(b bench) {
		b.run(thousandRows + "VACUUM INTO '" + b.uri("copy.db") + "'; DELETE FROM t")
		if err := b.conn.Restore("main", b.uri("copy.db")); err != nil {
			b.Fatal(err)
		}
		b.want("SELECT count(*) FROM t", "1000")
	}},
	{"incremental blob", func(b bench) {
		b.run("CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(100000))")
		blob, err := b.conn.OpenBlob("main", "t", "x", 1, true)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := blob.Write([]byte(strings.Repeat("x", 70000))); err != nil {
			b.Fatal(err)
		}
		if err := blob.Close(); err != nil {
			b.Fatal(err)
		}
		b.want("SELECT length(x)||hex(substr(x,70000,2)) FROM t", "1000007800")
	}},
	{"temporary files", func(b bench) {
		b.run(thousandRows + "PRAGMA temp_store=file; PRAGMA cache_size=5; CREATE TEMP TABLE u AS SELECT * FROM t; DELETE FROM u WHERE x>500")
		b.want("SELECT count(*) FROM (SELECT t.y FROM t JOIN u USING (x) ORDER BY t.y)", "500")
	}},
	{"page size", func(b bench) {
		if b.mode() == "wal" {
			return // SQLite changes it in other modes only
		}
		b.run("PRAGMA page_size=16384; VACUUM;" + thousandRows)
		b.want("PRAGMA page_size", "16384")
	}},
	{"persistent WAL", func(b bench) {
		if _, err := b.conn.FileControl("main", sqlite3.FCNTL_PERSIST_WAL, true); err != nil {
			b.Fatal(err)
		}
		b.run(thousandRows)
	}},
}

func (b bench) mode() string { return value(b, b.conn, "PRAGMA journal_mode") }

// off reports whether there is no journal at all, and so no rollback.
func (b bench) off() bool { return b.mode() == "off" }

func TestFeatures(t *testing.T) {
	for _, place := range places[:min(len(places), 12/slow)] {
		for _, mode := range []string{"delete", "truncate", "persist", "memory", "off", "wal"} {
			if place.grade == locking.GradeFenced && (mode == "memory" || mode == "off") {
				continue
			}
			for _, feature := range features {
				t.Run(place.name+"/"+mode+"/"+feature.name, func(t *testing.T) {
					files, dir := place.files(t)
					name := register(t, files, perFile(place.grade))
					uri := func(file string) string {
						return "file:" + filepath.ToSlash(filepath.Join(dir, file)) + "?vfs=" + name
					}
					conn, err := sqlite3.Open(uri("app.db"))
					if err != nil {
						t.Fatal(err)
					}
					b := bench{t, conn, uri}
					b.want("PRAGMA journal_mode="+mode, mode)
					feature.run(b)
					b.want("PRAGMA integrity_check", "ok")
					if err := conn.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
