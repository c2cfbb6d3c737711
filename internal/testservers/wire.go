package testservers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A Wire carries the requests of a client, and has what goes wrong with one of them that a
// real server cannot be made to do.
type Wire struct {
	// Concerns says which requests something can be made to happen to.
	Concerns func(*http.Request) bool

	mu   sync.Mutex
	next Exchange // guarded by mu
}

// An Exchange is what becomes of a request. Each call of send has the server get it, and
// wait for nobody's context.
type Exchange func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error)

// Over returns a transport over the wire.
func (w *Wire) Over(transport http.RoundTripper) http.RoundTripper { return wired{w, transport} }

// Next has something happen to the next request that the wire is concerned with.
func (w *Wire) Next(do Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = do
}

type wired struct {
	*Wire
	transport http.RoundTripper
}

func (w wired) RoundTrip(req *http.Request) (*http.Response, error) {
	if !w.Concerns(req) {
		return w.transport.RoundTrip(req)
	}
	w.mu.Lock()
	do := w.next
	w.next = nil
	w.mu.Unlock()
	if do == nil {
		return w.transport.RoundTrip(req)
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	return do(req, func() (*http.Response, error) {
		again := req.Clone(context.WithoutCancel(req.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		return w.transport.RoundTrip(again)
	})
}

// ErrLost is the error of a connection that is gone.
var ErrLost = errors.New("connection reset by peer")

// LoseReply is a request that takes effect, while its answer is lost.
func LoseReply(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	resp, err := send()
	if err == nil {
		resp.Body.Close()
		err = ErrLost
	}
	return nil, err
}

// Then is a request that takes effect, after which something else happens and another answer
// arrives than the server's.
func Then(between func(), answer Exchange) Exchange {
	return func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		if _, err := LoseReply(req, send); !errors.Is(err, ErrLost) {
			return nil, err
		}
		between()
		return answer(req, send)
	}
}

// Twice is a request that something on the way sends again, because it lost the answer.
func Twice(between func()) Exchange { return Then(between, Send) }

// Send is a request to which nothing happens.
func Send(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
	return send()
}

// After is a request before which something else happens.
func After(before func(), then Exchange) Exchange {
	return func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		before()
		return then(req, send)
	}
}

// Answer is a request that does not arrive, and is answered all the same.
func Answer(status int, body string) Exchange {
	return func(req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return &http.Response{
			Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Retry-After": {"1"}}, Request: req, Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}
