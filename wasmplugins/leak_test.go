package wasmplugins

import (
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Plugins that were closed leave nothing behind.
func TestCloseFreesAll(t *testing.T) {
	u := &url.URL{Scheme: Scheme, Path: built(t, "testdata/cell")}
	use := func() {
		r, err := Open(t.Context(), u, "/data/app.db")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Read(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if !r.plugin.closed {
			t.Error("its plugin is not closed")
		}
		if _, _, err := r.Read(t.Context()); err == nil {
			t.Error("it reads after it was closed")
		}
	}
	use() // what is made once
	before, routines := heap(), runtime.NumGoroutine()
	for range 20 {
		use()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > routines && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > routines {
		t.Errorf("%d goroutines, %d before", n, routines)
	}
	if after := heap(); after > before+16<<20 {
		t.Errorf("%d MB are kept", (after-before)>>20)
	}
}

// To close a register ends the call that it is in.
func TestCloseEndsCall(t *testing.T) {
	server, visits := visited(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, o := range map[string]Options{
		"in a loop":    {Path: plain().with(exportRead, loop).file(t)},
		"in a request": {Path: built(t, "testdata/watching"), Allow: []string{server.URL}, Params: url.Values{"url": {server.URL}}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Limit = time.Minute
			p, err := Load(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Register(t.Context(), "/data/app.db")
			if err != nil {
				t.Fatal(err)
			}
			r.owned = p
			ended := make(chan error, 1)
			go func() {
				_, _, err := r.Read(t.Context())
				ended <- err
			}()
			for deadline := time.Now().Add(10 * time.Second); !inCall(r) || o.Allow != nil && visits.Load() == 0; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatal("the call has not begun")
				}
			}
			began := time.Now()
			if err := r.Close(); err != nil || time.Since(began) > 20*time.Second {
				t.Errorf("Close: %v after %v", err, time.Since(began))
			}
			if err := <-ended; err == nil {
				t.Error("the call has an answer")
			}
			if !p.closed {
				t.Error("the plugin is not closed")
			}
		})
	}
}

// To close a register ends the start of an instance, too.
func TestCloseEndsStart(t *testing.T) {
	second := make(chan struct{})
	var first sync.Once
	server, _ := visited(t, func(_ http.ResponseWriter, r *http.Request) {
		isFirst := false
		first.Do(func() { isFirst = true })
		if !isFirst {
			close(second)
			<-r.Context().Done()
		}
	})
	t.Cleanup(server.CloseClientConnections)
	m := plain()
	m.with("_initialize", m.requesting(server.URL)).with(exportRead, unreachable)
	r, err := opened(t, m, func(o *Options) { o.Limit, o.Allow = time.Minute, []string{server.URL} })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Read(t.Context()); !errors.Is(err, ErrBroken) {
		t.Fatalf("error %v, want ErrBroken, so that the next call starts an instance", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := r.Read(t.Context())
		ended <- err
	}()
	<-second
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, errPoolClosed) {
		t.Errorf("the read returned %v, want %v", err, errPoolClosed)
	}
}

// A deafTransport answers when it is let go, whatever the context says.
type deafTransport struct{ entered, letGo chan struct{} }

func (d deafTransport) RoundTrip(*http.Request) (*http.Response, error) {
	close(d.entered)
	<-d.letGo
	return nil, errors.New("let go")
}

// To close a register whose call does not come back ends with an error within the time of a
// call, however often, and frees nothing that the call may use.
func TestCloseOfCallThatHangs(t *testing.T) {
	deaf := deafTransport{make(chan struct{}), make(chan struct{})}
	o := Options{Path: built(t, "testdata/watching"), Allow: []string{"http://127.0.0.1:1"}, Params: url.Values{"url": {"http://127.0.0.1:1"}},
		Limit: 2 * time.Second, Transport: func(http.RoundTripper) http.RoundTripper { return deaf }}
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Register(t.Context(), "/data/app.db")
	if err != nil {
		t.Fatal(err)
	}
	r.owned = p
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Read(t.Context())
	}()
	<-deaf.entered
	for range 2 {
		began := time.Now()
		if err := r.Close(); err == nil || p.closed || time.Since(began) > 20*time.Second {
			t.Errorf("Close: %v after %v, closed: %v", err, time.Since(began), p.closed)
		}
	}
	close(deaf.letGo)
	<-ended
	for range 2 {
		if err := r.Close(); err != nil || !p.closed {
			t.Errorf("Close once the call is back: %v, closed: %v", err, p.closed)
		}
	}
}

func inCall(r *Register) bool {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	for i := range r.pool.used {
		i.mu.Lock()
		busy := i.busy
		i.mu.Unlock()
		return busy
	}
	return false
}
