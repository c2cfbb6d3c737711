package plugincheck

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A shelf is a server of files, of which the one that is called present is a register: so it
// is for plugins that write first and rename then.
type shelf struct {
	mu    sync.Mutex
	files map[string]string // guarded by mu
	asked []string          // guarded by mu
}

func newShelf(t *testing.T) (*shelf, string) {
	s := &shelf{files: map[string]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	s.asked = append(s.asked, fmt.Sprint(r.Method, " ", r.URL.Path, " ", r.ContentLength))
	switch {
	case err != nil:
	case r.Method == http.MethodPut:
		s.files[r.URL.Path] = string(body)
	case r.Method == "MOVE":
		s.files[r.Header.Get("Destination")] = s.files[r.URL.Path]
	}
	fmt.Fprint(w, s.files[r.URL.Path])
}

func (s *shelf) present() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files["/present"]
}

// TestLoseReply: of the requests of a swap, the one by which it takes effect gets no answer,
// whatever it has in it; all others do, and so do those of other swaps.
func TestLoseReply(t *testing.T) {
	s, url := newShelf(t)
	w := new(wire)
	client := http.Client{Transport: w.wrap(http.DefaultTransport)}
	swap := func(value string) (outcomes []string) {
		for _, step := range []struct{ method, path, body string }{
			{"GET", "/present", ""}, {"PUT", "/" + value, value}, {"MOVE", "/" + value, ""}, {"GET", "/present", ""}, {"PUT", "/present", value},
		} {
			req, err := http.NewRequest(step.method, url+step.path, strings.NewReader(step.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Destination", "/present")
			answer, err := client.Do(req)
			if errors.Is(err, errLost) {
				outcomes = append(outcomes, "lost")
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			outcomes = append(outcomes, string(body))
		}
		return outcomes
	}
	w.loseReply()
	if !w.losing() || w.losing() {
		t.Error("want the next swap to lose its reply, and no other")
	}
	end := w.begin(func() bool { return s.present() == "one" })
	if diff := cmp.Diff([]string{"", "one", "lost", "one", "one"}, swap("one")); diff != "" {
		t.Errorf("swap that is to lose its reply (-want +got):\n%s", diff)
	}
	if end() || w.lostBehind() {
		t.Error("it was not lost on the wire")
	}
	if diff := cmp.Diff([]string{"one", "two", "two", "two", "two"}, swap("two")); diff != "" {
		t.Errorf("the next swap (-want +got):\n%s", diff)
	}
	var want []string
	for _, value := range []string{"one", "two"} {
		want = append(want, "GET /present 0", "PUT /"+value+" 3", "MOVE /"+value+" 0", "GET /present 0", "PUT /present 3")
	}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("requests, and how long their bodies are (-want +got):\n%s", diff)
	}
}

// TestLoseReplyWithoutHTTP: what was not lost on the wire is told.
func TestLoseReplyWithoutHTTP(t *testing.T) {
	w := new(wire)
	end := w.begin(func() bool { return true })
	if w.lostBehind() || !end() || !w.lostBehind() {
		t.Error("want the reply to be lost behind the plugin")
	}
}

// TestBrokenWire: what a wire refuses is not sent.
func TestBrokenWire(t *testing.T) {
	var requests atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer server.Close()
	w := new(wire)
	client := http.Client{Transport: w.wrap(http.DefaultTransport)}
	w.set(refuses)
	if _, err := client.Get(server.URL); !errors.Is(err, errRefused) || requests.Load() != 0 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
	w.set(works)
	if answer, err := client.Get(server.URL); err != nil || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	} else {
		answer.Body.Close()
	}
}
