package guests

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestEtcdConformance(t *testing.T) {
	locktest.RunInRealTime(t, etcdSubjects(newFakeEtcd(t).url))
}

func TestEtcdConformanceOfRealServer(t *testing.T) {
	testservers.Need(t)
	locktest.RunInRealTime(t, etcdSubjects(testservers.Shared(t, testservers.Etcd).URL()))
}

// A proxy that sends a swap twice makes no conflict of a success.
func TestEtcdSwapSentTwice(t *testing.T) {
	w := etcdWire()
	r := mustOpen(t, etcdURL(t, behind(t, newFakeEtcd(t).url, w), rand.Text()))
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
	// If somebody came between, it is unknown to the proxy's client, and no conflict.
	other := mustOpen(t, etcdURL(t, behind(t, newFakeEtcd(t).url, w), rand.Text()))
	version = mustSwap(t, other, locking.Unused, "before")
	w.Next(testservers.Twice(func() {
		_, present, err := other.Read(t.Context())
		if err == nil {
			_, err = other.CompareAndSwap(t.Context(), present, []byte("between"))
		}
		if err != nil {
			t.Error(err)
		}
	}))
	_, err := other.CompareAndSwap(t.Context(), version, []byte("mine"))
	checkLine(t, err, locking.ErrDoubt)
}

// A swap from a state that was restored, and then replaced at the same revision, is refused.
func TestEtcdRestored(t *testing.T) {
	s := newFakeEtcd(t)
	r := mustOpen(t, etcdURL(t, s.url, "restored"))
	first := mustSwap(t, r, locking.Unused, "one")
	snapshot := s.snapshot()
	lost := mustSwap(t, r, first, "two, lost")
	s.restore(snapshot)
	again := mustSwap(t, r, first, "two, again")
	if cut := func(v locking.Version) string { n, _, _ := strings.Cut(string(v), " "); return n }; cut(lost) != cut(again) || lost == again {
		t.Fatalf("versions %q and %q: this is to test two of the same revision", lost, again)
	}
	_, err := r.CompareAndSwap(t.Context(), lost, []byte("three"))
	checkLine(t, err, locking.ErrConflict)
}

func etcdURL(t testing.TB, endpoint, key string, more ...string) *url.URL {
	return pluginURL(t, "etcd", append([]string{"allow", endpoint, "endpoint", endpoint, "key", key}, more...)...)
}

// etcdWire is one on which things happen to what writes a value.
func etcdWire() *testservers.Wire {
	return &testservers.Wire{Concerns: func(req *http.Request) bool {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte("request_put"))
	}}
}

func etcdSubjects(server string) func(testing.TB) locktest.Subject {
	return func(t testing.TB) locktest.Subject {
		w := etcdWire()
		key := t.Name() + "/" + rand.Text()
		u := etcdURL(t, behind(t, server, w), key)
		return locktest.Subject{
			Open:      func() (locking.Register, error) { return opened(t, u) },
			LoseReply: func() { w.Next(testservers.LoseReply) },
			Wipe: func() error {
				for _, k := range []string{key, key + ".version"} {
					if _, err := ask(server+"/v3/kv/deleterange", map[string]string{"key": inBase64(k)}); err != nil {
						return err
					}
				}
				return nil
			},
		}
	}
}

func inBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// ask posts to a server as an administrator does.
func ask(url string, body any, header ...string) (answer map[string]any, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", url, resp.Status, got)
	}
	return answer, json.Unmarshal(got, &answer)
}
