package wasmplugins

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A cellServer is one that keeps one value, with the conditions of HTTP. It answers later if
// it is asked to wait for a change.
type cellServer struct {
	*httptest.Server

	mu      sync.Mutex
	value   []byte        // guarded by mu
	tag     string        // guarded by mu; "" without a value
	writes  int           // guarded by mu
	changed chan struct{} // guarded by mu; closed by the next change
}

func newCellServer(t testing.TB) *cellServer {
	c := &cellServer{changed: make(chan struct{})}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *cellServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if wait, err := time.ParseDuration(r.Header.Get("X-Wait")); err == nil {
		c.await(r, wait)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodPut {
		if r.Header.Get("If-None-Match") == "*" && c.tag != "" || r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != c.tag {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		c.writes++
		c.set(body, fmt.Sprintf(`"%d"`, c.writes))
		body = nil
	} else if body = c.value; c.tag == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", c.tag)
	w.Write(body)
}

// await waits until there is another value than the client knows.
func (c *cellServer) await(r *http.Request, wait time.Duration) {
	c.mu.Lock()
	changed, there := c.changed, c.tag
	c.mu.Unlock()
	if there != r.Header.Get("X-Known") {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// set is called with mu held.
func (c *cellServer) set(value []byte, tag string) {
	c.value, c.tag = value, tag
	close(c.changed)
	c.changed = make(chan struct{})
}

// wipe deletes the value.
func (c *cellServer) wipe() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(nil, "")
	return nil
}
