package guests

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestConsulConformanceOfRealServer(t *testing.T) {
	testservers.Need(t)
	t.Setenv("TOKEN", testservers.ConsulToken)
	locktest.RunInRealTime(t, consulSubjects(testservers.Shared(t, testservers.Consul).URL()))
}

// A proxy that sends a swap twice makes no conflict of a success.
func TestConsulSwapSentTwice(t *testing.T) {
	testservers.Need(t)
	t.Setenv("TOKEN", testservers.ConsulToken)
	w := consulWire()
	r := mustOpen(t, consulURL(t, behind(t, testservers.Shared(t, testservers.Consul).URL(), w), rand.Text()))
	version := locking.Unused
	for i := range 3 {
		w.Next(testservers.Twice(func() {}))
		next, err := r.CompareAndSwap(t.Context(), version, fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		if value, present, err := r.Read(t.Context()); present != next || string(value) != fmt.Sprint(i) || err != nil {
			t.Fatalf("read %q, %q, %v; the swap returned %q", value, present, err, next)
		}
		version = next
	}
}

// After a restart the register is what it was, and swaps go on.
func TestConsulRestart(t *testing.T) {
	testservers.Need(t)
	t.Setenv("TOKEN", testservers.ConsulToken)
	s := testservers.Start(t, testservers.Consul)
	r := mustOpen(t, consulURL(t, s.URL(), "restart"))
	version := mustSwap(t, r, locking.Unused, "before")
	s.Kill()
	// The connection that r had may not be known to be dead, so that this goes out on it. What
	// r asks after that gets another one.
	_, _, err := r.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable)
	down := mustOpen(t, consulURL(t, s.URL(), "restart"))
	_, _, err = down.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "no connection")
	_, err = down.CompareAndSwap(t.Context(), version, []byte("down"))
	checkLine(t, err, locking.ErrUnreachable, "no connection")
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	if value, present, err := r.Read(t.Context()); present != version || string(value) != "before" || err != nil {
		t.Fatalf("read %q, %q, %v; want version %q", value, present, err, version)
	}
	mustSwap(t, r, version, "after")
}

func consulURL(t testing.TB, endpoint, key string, more ...string) *url.URL {
	return pluginURL(t, "consul", append([]string{"allow", endpoint, "endpoint", endpoint, "key", key, "secret", "token:TOKEN"}, more...)...)
}

func consulWire() *testservers.Wire {
	return &testservers.Wire{Concerns: func(req *http.Request) bool {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte(`"cas"`))
	}}
}

func consulSubjects(server string) func(testing.TB) locktest.Subject {
	return func(t testing.TB) locktest.Subject {
		w := consulWire()
		key := t.Name() + "/" + rand.Text()
		u := consulURL(t, behind(t, server, w), key)
		return locktest.Subject{
			Open:      func() (locking.Register, error) { return opened(t, u) },
			LoseReply: func() { w.Next(testservers.LoseReply) },
			Wipe:      func() error { return consulKV(server, http.MethodDelete, key, "") },
		}
	}
}

// consulKV changes a key as an administrator does.
func consulKV(server, method, key, value string) error {
	req, err := http.NewRequest(method, server+"/v1/kv/"+key, bytes.NewReader([]byte(value)))
	if err != nil {
		return err
	}
	req.Header.Set("X-Consul-Token", testservers.ConsulToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, key, resp.Status)
	}
	return nil
}
