package plugincheck

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// A wire is what the HTTP requests of a cell's plugins go over. It can be cut, and lose an
// answer.
type wire struct {
	mu       sync.Mutex
	requests int         // guarded by mu
	state    state       // guarded by mu
	armed    bool        // the next swap loses its reply; guarded by mu
	behind   bool        // a reply was lost behind the plugin, and not on the wire; guarded by mu
	took     func() bool // whether the swap whose reply is to be lost has taken effect; nil for none; guarded by mu
}

// A state is whether a wire works.
type state int

const (
	works state = iota
	refuses
	silent
)

func (w *wire) set(s state) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
}

func (w *wire) sent() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}

// loseReply has the next swap lose its reply.
func (w *wire) loseReply() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = true
}

// losing reports whether the next swap is to lose its reply, once.
func (w *wire) losing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	armed := w.armed
	w.armed = false
	return armed
}

// begin is told of a swap that is to lose its reply: the answer to the request by which it
// takes effect. The function that it returns ends it, and reports whether there was none.
func (w *wire) begin(took func() bool) (end func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = took
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		still := w.took != nil
		w.took, w.behind = nil, w.behind || still
		return still
	}
}

func (w *wire) lostBehind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.behind
}

// wrap makes the transport of one plugin.
func (w *wire) wrap(inner http.RoundTripper) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) { return w.send(inner, r) })
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip sends a request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

var (
	errRefused = errors.New("the check refuses the connection")
	errLost    = errors.New("the check lost the answer")
)

func (w *wire) send(inner http.RoundTripper, r *http.Request) (*http.Response, error) {
	state, took := w.next()
	switch state {
	case refuses:
		return nil, errRefused
	case silent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	answer, err := inner.RoundTrip(r)
	if err != nil || took == nil {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body) // then the server is done with it
	if err != nil {
		return nil, err
	}
	if took() {
		w.lost()
		return nil, errLost
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// next counts a request, and tells what becomes of it.
func (w *wire) next() (state, func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	return w.state, w.took
}

// lost notes that an answer was lost: no other is.
func (w *wire) lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = nil
}
