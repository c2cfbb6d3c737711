//go:build linux

package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/image"
)

// labImage is the image of a real lab. Booting takes a minute of two cores, so it is done only when asked for; then nothing is
// left out.
func labImage(t *testing.T) image.Image {
	t.Helper()
	if os.Getenv("HOLDFAST_LAB") == "" {
		t.Skip("boots machines: set HOLDFAST_LAB=1")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.Build(t.Context(), filepath.Join(cache, "holdfast-netlab"), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// bootLab boots a real cluster.
func bootLab(t *testing.T, config Config) *Cluster {
	t.Helper()
	config.Image = labImage(t)
	config.Log = func(s string) { t.Log(s) }
	c, err := Boot(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		began := time.Now()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("closed in %s", time.Since(began))
	})
	return c
}

// bound bounds one step of a test.
func bound(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestLab(t *testing.T) {
	c := bootLab(t, Config{Dir: t.TempDir(), Clients: 1, Host: true})
	m := c.Clients[0]
	for _, name := range []string{"nfs42", "smb"} {
		mnt, err := MountNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Mount(bound(t, time.Minute), mnt); err != nil {
			t.Fatal(err)
		}
	}
	shell := func(script string) Output {
		t.Helper()
		out, err := m.Run(bound(t, time.Minute), "sh", "-c", script)
		if err != nil {
			t.Fatalf("%v\nconsole:\n%s\nserver:\n%s", err, m.Console(), c.Server.Console())
		}
		return out
	}
	step := func(name string, f func(context.Context) error) {
		t.Helper()
		began := time.Now()
		if err := f(bound(t, 3*time.Minute)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %s", name, time.Since(began).Round(time.Millisecond))
	}

	t.Run("write through one mount and read through the other", func(t *testing.T) {
		shell("echo one >/mnt/nfs42/f && sync")
		if out := shell("cat /mnt/smb/f"); out.Stdout != "one\n" {
			t.Errorf("read %+v", out)
		}
	})

	t.Run("a cut link", func(t *testing.T) {
		step("cut", m.Cut)
		p, err := m.Start(bound(t, time.Minute), []string{"sh", "-c", "echo two >/mnt/nfs42/g; sync; echo done"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(bound(t, 3*time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wrote over a cut link: %v", err)
		}
		step("restore", m.Restore)
		if _, err := p.Wait(bound(t, time.Minute)); err != nil {
			t.Error(err)
		}
	})

	t.Run("a server on the host", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "here") }))
		defer s.Close()
		get := "wget -T 5 -qO - " + strings.Replace(s.URL, "127.0.0.1", HostAddress, 1)
		reached := func(want bool) {
			t.Helper()
			if out := shell(get); out.Stdout == "here" != want {
				t.Errorf("reached: %v, want %v: %+v", !want, want, out)
			}
		}
		reached(true)
		step("cut from the host alone", m.CutHost)
		reached(false)
		shell("echo three >/mnt/nfs42/h && sync")
		step("restore", m.Restore)
		reached(true)
		step("cut", m.Cut)
		reached(false)
		step("restore", m.Restore)
		reached(true)
	})

	t.Run("a pause", func(t *testing.T) {
		step("pause", m.Pause)
		if _, err := m.Run(bound(t, time.Second), "true"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused machine ran something: %v", err)
		}
		step("resume", m.Resume)
		shell("true")
	})

	t.Run("a process", func(t *testing.T) {
		p, err := m.Start(bound(t, time.Minute), []string{"sh", "-c", `echo "$A" >&2; while read x; do echo "got $x"; done; exit 3`}, "A=b c")
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(p.Stdout)
		for i := range 3 {
			fmt.Fprintf(p.Stdin, "%d\n", i)
			if !lines.Scan() || lines.Text() != fmt.Sprint("got ", i) {
				t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
			}
		}
		p.Stdin.Close()
		if code, err := p.Wait(bound(t, time.Minute)); code != 3 || err != nil || p.Stderr() != "b c\n" {
			t.Errorf("ended with %d, %v, %q", code, err, p.Stderr())
		}
	})

	t.Run("a killed process", func(t *testing.T) {
		p, err := m.Start(bound(t, time.Minute), []string{"sh", "-c", "echo up; sleep 1000"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(p.Stdout, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if code, err := p.Wait(bound(t, time.Minute)); code != 128+9 || err != nil {
			t.Errorf("ended with %d, %v", code, err)
		}
		if out := shell("pidof sleep"); out.Code == 0 {
			t.Error("its child lives")
		}
	})

	t.Run("off and on", func(t *testing.T) {
		p, err := m.Start(bound(t, time.Minute), []string{"sleep", "1000"})
		if err != nil {
			t.Fatal(err)
		}
		step("off", m.Off)
		if _, err := p.Wait(bound(t, time.Minute)); !errors.Is(err, ErrGone) {
			t.Errorf("wait: %v", err)
		}
		if _, err := m.Run(bound(t, time.Minute), "true"); err == nil {
			t.Error("a machine that is off ran something")
		}
		step("on", m.On)
		if out := shell("cat /mnt/nfs42/f /mnt/smb/g"); out.Stdout != "one\ntwo\n" {
			t.Errorf("read %+v", out)
		}
	})

	t.Run("a crash of the server", func(t *testing.T) {
		p, err := c.Server.Start(bound(t, time.Minute), []string{"sleep", "1000"})
		if err != nil {
			t.Fatal(err)
		}
		step("reset", c.Server.Reset)
		if _, err := p.Wait(bound(t, time.Minute)); !errors.Is(err, ErrGone) {
			t.Errorf("wait: %v", err)
		}
		began := time.Now()
		if out := shell("echo three >/mnt/nfs42/h && cat /mnt/smb/f /mnt/smb/h"); out.Stdout != "one\nthree\n" {
			t.Errorf("read %+v", out)
		}
		t.Logf("first write after %s", time.Since(began))
	})

	t.Run("a crash of the client", func(t *testing.T) {
		step("reset", m.Reset)
		if out := shell("cat /mnt/nfs42/h"); out.Stdout != "three\n" {
			t.Errorf("read %+v", out)
		}
	})

	t.Run("what scenarios use", func(t *testing.T) {
		big := filepath.Join(t.TempDir(), "big")
		if err := os.WriteFile(big, []byte(strings.Repeat("0123456789abcdef", 20<<16)), 0o755); err != nil {
			t.Fatal(err)
		}
		step("put 20 MiB", func(ctx context.Context) error { return m.Put(ctx, big, "/tmp/big") })
		out := shell(`stat -c '%s %a' /tmp/big && date -s @2000000000 >/dev/null && date +%Y && adjtimex -t 10100 >/dev/null &&
			grep -c 10.77.0.1 /proc/self/mountstats && grep -c SMBs /proc/fs/cifs/Stats && sqlite3 /tmp/db 'create table t(x); pragma integrity_check' &&
			mount | grep /mnt/`)
		t.Log(out.Stdout, out.Stderr)
		if out.Code != 0 || !strings.HasPrefix(out.Stdout, "20971520 755\n2033\n") || !strings.Contains(out.Stdout, "\nok\n") {
			t.Errorf("%+v", out)
		}
	})
}
