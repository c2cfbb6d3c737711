package wasmplugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/holdfastdb/holdfast/internal/sent"
)

// What [caller.do] says instead of the length of an answer.
const (
	httpRefused int32 = -1
	httpNotSent int32 = -2
	httpUnknown int32 = -3
	httpTooLong int32 = -4
)

// Bounds of one request and its answer.
const (
	mostRequest = 1 << 20
	mostAnswer  = 4 << 20
)

// A caller sends the HTTP requests of a plugin.
type caller struct {
	grants map[origin]bool
	client *http.Client
}

func newCaller(grants map[origin]bool) *caller {
	// Over HTTP/2 a request that is given up leaves its connection to the next, though it may
	// lead nowhere any more.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	transport := &http.Transport{
		DialContext:            dialGranted,
		TLSHandshakeTimeout:    connectTime,
		Protocols:              protocols,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &caller{grants, &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// through has the requests be sent by what a function makes of what sends them now.
func (c *caller) through(wrap func(http.RoundTripper) http.RoundTripper) *caller {
	if wrap != nil {
		inner := *c.client
		c.client.Transport = wrapped{wrap(inner.Transport), &inner}
	}
	return c
}

// wrapped sends requests through a wrapper, and knows whose idle connections there are.
type wrapped struct {
	http.RoundTripper
	inner *http.Client
}

func (w wrapped) CloseIdleConnections() { w.inner.CloseIdleConnections() }

func (c *caller) close() { c.client.CloseIdleConnections() }

// do sends a request and returns the answer, of which at most so many bytes are wanted. If
// there is none, it returns one of the codes above, and why.
func (c *caller) do(ctx context.Context, request []byte, most int) ([]byte, int32, error) {
	req, err := c.parse(ctx, request)
	if err != nil {
		return nil, httpRefused, fmt.Errorf("HTTP request refused: %w", err)
	}
	traced, wasSent := sent.Trace(ctx)
	resp, err := c.client.Do(req.WithContext(traced))
	if err == nil {
		defer resp.Body.Close()
		var answer []byte
		if answer, err = readAnswer(resp, most); err == nil || errors.Is(err, errTooLong) {
			if err != nil {
				return nil, httpTooLong, err
			}
			return answer, 0, nil
		}
	}
	if !wasSent() {
		return nil, httpNotSent, withoutURL(err)
	}
	return nil, httpUnknown, withoutURL(err)
}

// withoutURL is an error that does not tell the URL, in which a plugin may have put a secret.
func withoutURL(err error) error {
	if told, ok := errors.AsType[*url.Error](err); ok {
		return told.Err
	}
	return err
}

var errTooLong = errors.New("the answer to an HTTP request is too long")

// readAnswer writes an answer as the plugin reads it.
func readAnswer(resp *http.Response, most int) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", resp.StatusCode)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteByte('\n')
	most = min(most, mostAnswer)
	if _, err := io.Copy(&b, io.LimitReader(resp.Body, int64(max(0, most-b.Len()))+1)); err != nil {
		return nil, err
	}
	if b.Len() > most {
		return nil, fmt.Errorf("%w: it has more than %d bytes", errTooLong, most)
	}
	return b.Bytes(), nil
}

// parse makes a request of what a plugin wrote, if that was granted.
func (c *caller) parse(ctx context.Context, text []byte) (*http.Request, error) {
	if len(text) > mostRequest {
		return nil, fmt.Errorf("it has %d bytes, of at most %d", len(text), mostRequest)
	}
	head, body, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return nil, errors.New("its head does not end")
	}
	lines := strings.Split(string(head), "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	if !ok || !httpguts.ValidHeaderFieldName(method) || method == http.MethodConnect {
		return nil, errors.New("its first line is no METHOD URL")
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("its URL is none: %w", withoutURL(err))
	}
	to, err := parseOrigin(u)
	switch {
	case err != nil:
		return nil, errors.New("its URL begins with neither http://HOST nor https://HOST")
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("its URL at %v has a user or a fragment", to)
	case !c.grants[to]:
		return nil, fmt.Errorf("%v is not granted: if it is meant, add allow=%v", to, to)
	}
	u.Scheme, u.Host = to.scheme, to.address()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	// A request whose outcome is unknown is not sent again, but for those that change nothing.
	req.GetBody = nil
	for i, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		switch {
		case !ok || !httpguts.ValidHeaderFieldName(name):
			return nil, fmt.Errorf("its line %d is no header", i+2)
		case !httpguts.ValidHeaderFieldValue(value):
			return nil, fmt.Errorf("the header %.80s has a control character", name)
		case own(name):
			return nil, fmt.Errorf("the header %s is not the plugin's to set", name)
		}
		req.Header.Add(name, value)
	}
	return req, nil
}

// own reports whether a header belongs to the host: what says where a request goes, where
// it ends, or that it may be repeated.
func own(name string) bool {
	switch name = textproto.CanonicalMIMEHeaderKey(name); name {
	case "Host", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Connection", "Keep-Alive", "Upgrade", "Expect",
		"Idempotency-Key", "X-Idempotency-Key":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}
