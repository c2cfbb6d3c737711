package holdfast

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfastdb/holdfast/locking"
)

func TestChooseLock(t *testing.T) {
	tests := []struct {
		name, env, query string
		lock             string
		opts             locking.Options // TTL and Idle are checked
		unfenced         bool
		err              string
	}{
		{name: "nothing", lock: "auto:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "auto with a ttl", query: "ttl=20s", lock: "auto:", opts: locking.Options{TTL: 20 * time.Second, Idle: 20 * time.Second}},
		{name: "bare scheme", query: "lock=leasefile", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "scheme in capitals", query: "lock=LeaseFile", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "scheme with a colon", query: "lock=leasefile:", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "scheme with slashes", query: "lock=leasefile://", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "URL", query: "lock=leasefile:///other/dir", lock: "leasefile:///other/dir", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "options in the URL", query: "lock=leasefile:///d%3Fttl=4s%26x=y", lock: "leasefile:///d?x=y", opts: locking.Options{TTL: 4 * time.Second, Idle: 4 * time.Second}},
		{name: "options in the URL, not escaped", query: "lock=leasefile:///d?ttl=4s&idle=1s", lock: "leasefile:///d", opts: locking.Options{TTL: 4 * time.Second, Idle: time.Second}},
		{name: "options of a bare scheme", query: "lock=leasefile?ttl=4s", lock: "leasefile:", opts: locking.Options{TTL: 4 * time.Second, Idle: 4 * time.Second}},
		{name: "parameters win over those in the URL", query: "lock=leasefile?ttl=4s&ttl=5s", lock: "leasefile:", opts: locking.Options{TTL: 5 * time.Second, Idle: 5 * time.Second}},
		{name: "not sticky", query: "lock=leasefile&sticky=off", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: -1}},
		{name: "sticky", query: "lock=leasefile&sticky=on&idle=1s", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: time.Second}},
		{name: "fence", query: "fence=on&verify=read", lock: "auto:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "no fence", query: "lock=leasefile&fence=off", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}, unfenced: true},
		{name: "no fence by the environment", env: "leasefile?fence=off", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}, unfenced: true},
		{name: "fence wins over the environment", env: "leasefile?fence=off", query: "fence=on", lock: "leasefile:", opts: locking.Options{TTL: 15 * time.Second, Idle: 15 * time.Second}},
		{name: "kernel", query: "lock=flock", lock: "flock:"},
		{name: "from the environment", env: "leasefile?ttl=30s", lock: "leasefile:", opts: locking.Options{TTL: 30 * time.Second, Idle: 30 * time.Second}},
		{name: "environment and ttl", env: "leasefile?ttl=30s", query: "ttl=20s", lock: "leasefile:", opts: locking.Options{TTL: 20 * time.Second, Idle: 20 * time.Second}},
		{name: "parameter wins over the environment", env: "leasefile", query: "lock=flock", lock: "flock:"},
		{name: "environment says flock to one with a ttl", env: "flock", query: "ttl=20s", lock: "flock:"},

		{name: "unknown scheme", query: "lock=zookeeper", err: `lock=zookeeper: locking: no lock backend "zookeeper": use one of cell, flock, leasefile, metered, or import the package that brings it`},
		{name: "unknown scheme in the environment", env: "zookeeper://x", err: `HOLDFAST_LOCK=zookeeper://x: locking: no lock backend "zookeeper": use one of cell, flock, leasefile, metered, or import the package that brings it`},
		{name: "a path for a lock", query: "lock=/some/dir", err: `lock=/some/dir: not a lock URL: write one such as leasefile or leasefile:///some/directory`},
		{name: "no URL at all", query: "lock=a%20b:c", err: `lock=a b:c: first path segment in URL cannot contain colon`},
		{name: "ttl of zero", query: "lock=leasefile&ttl=0", err: `ttl=0: must be positive: write a duration such as 15s or 500ms`},
		{name: "negative ttl", query: "ttl=-1s", err: `ttl=-1s: must be positive: write a duration such as 15s or 500ms`},
		{name: "ttl without a unit", query: "ttl=15", err: `ttl=15: not a duration: write one such as 15s or 500ms`},
		{name: "empty ttl", query: "ttl=", err: `ttl=: not a duration: write one such as 15s or 500ms`},
		{name: "ttl below the minimum", query: "ttl=10ms", err: `locking: ttl 10ms is too short: use 500ms or more`},
		{name: "ttl below the minimum in the environment", env: "leasefile?ttl=10ms", err: `locking: ttl 10ms is too short: use 500ms or more`},
		{name: "renew that does not fit", query: "ttl=2s&renew=2s", err: `locking: renew 2s does not fit ttl 2s: use more than 0 and at most half the ttl`},
		{name: "idle that is not sticky", query: "sticky=off&idle=1s", err: `idle means nothing with sticky=off: leave one of them out`},
		{name: "sticky that is neither", query: "sticky=fasle", err: `sticky=fasle: write on or off`},
		{name: "empty sticky", query: "sticky=", err: `sticky=: write on or off`},
		{name: "sticky that is neither, in the URL of the lock", query: "lock=leasefile?sticky=0", err: `sticky=0: write on or off`},
		{name: "fence that is neither", query: "fence=maybe", err: `fence=maybe: write on or off`},
		{name: "empty fence", query: "fence=", err: `fence=: write on or off`},
		{name: "verify that is neither", query: "verify=always", err: `verify=always: write commit or read`},
		{name: "verify without a fence", query: "lock=leasefile&fence=off&verify=read", err: `verify means nothing with fence=off: leave one of them out`},
		{name: "verify in the URL of the lock", query: "lock=leasefile?verify=read", err: `lock=leasefile?verify=read: verify is a parameter of the data source name: write it there`},
		{name: "flock with a fence", query: "lock=flock&fence=on", err: `lock=flock has no lease, so fence means nothing: leave it out, or use lock=leasefile`},
		{name: "flock with verify", query: "lock=flock&verify=read", err: `lock=flock has no lease, so verify means nothing: leave it out, or use lock=leasefile`},
		{name: "flock with a ttl", query: "lock=flock&ttl=5s", err: `lock=flock has no lease, so ttl means nothing: leave it out, or use lock=leasefile`},
		{name: "flock with a ttl in the environment", env: "flock?ttl=5s", err: `HOLDFAST_LOCK=flock?ttl=5s has no lease, so ttl means nothing: leave it out, or use lock=leasefile`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(lockVariable, tt.env)
			values, err := parseParams(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := chooseLock(values)
			if diff := cmp.Diff(tt.err, message(err)); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(choice{tt.lock, tt.opts, tt.unfenced}, got, cmp.AllowUnexported(choice{}),
				cmpopts.IgnoreFields(locking.Options{}, "Renew", "Guard", "Poll", "Timeout")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAutoTakesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	local, leased := filepath.Join(dir, "local.db"), filepath.Join(dir, "leased.db")
	if err := os.Mkdir(leased+leaseSuffix, 0o777); err != nil {
		t.Fatal(err)
	}
	opts := locking.Options{TTL: 4 * time.Second}
	tests := []struct {
		name, path string
		from, want choice
	}{
		{"local file system", local, choice{"auto:", opts, true}, choice{lock: "flock:"}},
		{"register beside the database", leased, choice{"auto:", opts, true}, choice{"leasefile:", opts, true}},
		{"register of a named lock is not looked at", leased, choice{lock: "flock:"}, choice{lock: "flock:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.from.resolve(common.vfs, tt.path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(choice{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A data source name that is refused is refused by sql.Open, or at least before
// anything was created.
func TestBadNamesCreateNothing(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("buy milk and bread and butter, and do not forget the cheese"), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, dsn, want string }{
		{"unknown lock", "file:app.db?lock=zookeeper", "no lock backend"},
		{"unknown parameter", "file:app.db?locks=flock", "did you mean lock?"},
		{"ttl of zero", "file:app.db?lock=leasefile&ttl=0", "must be positive"},
		{"ttl too short", "file:app.db?lock=leasefile&ttl=1ms", "too short"},
		{"unknown option of the lease file", "file:app.db?lock=leasefile:%3Fcolour=red", "colour"},
		{"option of flock", "file:app.db?lock=flock:%3Fcolour=red", "no options"},
		{"another VFS", "file:app.db?vfs=memdb", "past the lock"},
		{"bad _txlock", "file:app.db?_txlock=never", "invalid _txlock"},
		{"missing directory", "nowhere/app.db", "does not exist"},
		{"missing file", "file:app.db?mode=rw&lock=leasefile", "does not exist"},
		{"missing file, read-only", "file:app.db?mode=ro&lock=leasefile", "does not exist"},
		{"directory", ".", "directory"},
		{"text file", text, "not a database"},
		{"missing directory of the lock", "file:app.db?lock=leasefile:///nowhere/at/all", "create it"},
		{"no locks at all", "file:app.db?nolock=1", "without any lock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			db, err := Open(tt.dsn, Options{})
			if err == nil {
				err = db.PingContext(t.Context())
				db.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line with %q", err, tt.want)
			}
			if files := list(t, dir); len(files) > 0 {
				t.Errorf("created %v", files)
			}
		})
	}
	t.Run("foreign register", func(t *testing.T) {
		dir := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "app.db.lease"), 0o777), os.WriteFile(filepath.Join(dir, "app.db.lease", "mine"), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
		if err := open(t, filepath.Join(dir, "app.db"), Options{}).Ping(); !errors.Is(err, locking.ErrForeign) {
			t.Errorf("error is %v", err)
		}
		if files := list(t, dir); len(files) != 1 {
			t.Errorf("beside the register there are %v", files)
		}
	})
	if files := list(t, filepath.Dir(text)); len(files) != 1 {
		t.Errorf("beside the text file there are %v", files)
	}
}

// All connections of a process agree on the lock, however they spell the path.
func TestOneLockForOneDatabase(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Symlink("app.db", "link.db"); err != nil {
		t.Fatal(err)
	}
	db := open(t, "file:app.db?lock=leasefile&ttl=5s", Options{})
	exec(t, db, `CREATE TABLE t (x)`)
	tests := []struct{ name, dsn, want string }{
		{"the same", "file:app.db?lock=leasefile&ttl=5s", ""},
		{"no lock named", "app.db", ""},
		{"absolute", "file:" + filepath.Join(dir, "app.db") + "?lock=leasefile&ttl=5s", ""},
		{"symbolic link", "file:link.db?lock=leasefile&ttl=5s", ""},
		{"dots", "file:./x/../app.db?ttl=5s", ""},
		{"another ttl", "file:app.db?lock=leasefile&ttl=6s", "open already with ttl=5s"},
		{"another lock", "file:app.db?lock=flock", "open already with lock=leasefile"},
		{"another lock through a link", "file:link.db?lock=flock", "open already with lock=leasefile"},
	}
	if err := os.Mkdir("x", 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			other := open(t, tt.dsn, Options{})
			_, err := other.Exec(`INSERT INTO t VALUES (1)`)
			if (err == nil) != (tt.want == "") || !strings.Contains(message(err), tt.want) {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
	if files := list(t, dir); !cmp.Equal(files, []string{"app.db", "app.db-journal", "app.db.holdfast", "app.db.lease", "link.db", "x"}) {
		t.Errorf("files are %v", files)
	}
}

func TestOpeningIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "app.db")
	db := open(t, path, Options{Lock: "leasefile", TTL: 4 * time.Second})
	several(t, 4, func() error {
		_, err := db.Exec(`SELECT 1`)
		return err
	})
	want := `level=INFO msg="database open" path=` + path + ` lock="leasefile with ttl 4s" grade=fenced promise="` + locking.GradeFenced.Promise() + `"` + "\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvironmentSetsTheLock(t *testing.T) {
	t.Setenv(lockVariable, "leasefile?ttl=4s")
	path := filepath.Join(t.TempDir(), "app.db")
	db := open(t, path, Options{Params: url.Values{"_pragma": {"foreign_keys(1)"}}})
	exec(t, db, `CREATE TABLE t (x)`)
	status, err := Status(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if status.Grade != locking.GradeFenced || status.TTL != 4*time.Second {
		t.Errorf("%+v", status)
	}
}
