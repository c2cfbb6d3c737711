package wasmplugins

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// visited is a server that counts who comes, and answers with what it was asked.
func visited(t *testing.T, handler http.HandlerFunc) (s *httptest.Server, visits *atomic.Int64) {
	visits = new(atomic.Int64)
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visits.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s, visits
}

func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s%s %s", r.Method, r.Host, r.URL, r.Header.Get("X-Told"))
}

// A plugin reaches the origins that it was granted, and nothing else, whatever it writes.
func TestHTTPGrants(t *testing.T) {
	granted, visits := visited(t, echo)
	other, others := visited(t, echo)
	host := strings.TrimPrefix(granted.URL, "http://")
	elsewhere := strings.TrimPrefix(other.URL, "http://")
	_, port, _ := net.SplitHostPort(host)
	for name, tt := range map[string]struct {
		args []string
		want string // what the outcome, or the host's reason to refuse it, has in it
	}{
		"granted":                 {[]string{"GET", granted.URL + "/a?b=c", "X-Told: yes"}, "200 GET " + host + "/a?b=c yes"},
		"other port":              {[]string{"GET", other.URL + "/"}, "not granted: if it is meant, add allow=" + other.URL},
		"other name of this host": {[]string{"GET", "http://localhost:" + port + "/"}, "not granted"},
		"other scheme":            {[]string{"GET", "https://" + host + "/"}, "not granted"},
		"file":                    {[]string{"GET", "file:///etc/hostname"}, ""},
		"no scheme":               {[]string{"GET", "//" + host + "/"}, ""},
		"user":                    {[]string{"GET", "http://" + host + "@" + elsewhere + "/"}, ""},
		"user of the granted":     {[]string{"GET", "http://user@" + host + "/"}, ""},
		"backslash":               {[]string{"GET", "http://" + host + `\@` + elsewhere + "/"}, ""},
		"trailing dot":            {[]string{"GET", "http://127.0.0.1.:" + port + "/"}, ""},
		"number for an address":   {[]string{"GET", "http://2130706433:" + port + "/"}, "not granted"},
		"absolute in the path":    {[]string{"GET", granted.URL + "/../" + other.URL}, "200 GET " + host},
		"host header":             {[]string{"GET", granted.URL, "Host: " + elsewhere}, "not the plugin's to set"},
		"host header, odd case":   {[]string{"GET", granted.URL, "hOsT: " + elsewhere}, "not the plugin's to set"},
		"length":                  {[]string{"POST", granted.URL, "Content-Length: 0"}, "not the plugin's to set"},
		"transfer encoding":       {[]string{"POST", granted.URL, "Transfer-Encoding: chunked"}, "not the plugin's to set"},
		"proxy header":            {[]string{"GET", granted.URL, "Proxy-Authorization: x"}, "not the plugin's to set"},
		"second line by method":   {[]string{"GET " + granted.URL + "\nHost: x\n\nGET", granted.URL}, "not the plugin's to set"},
		"second line by URL":      {[]string{"GET", granted.URL + "/\nHost: " + elsewhere}, "not the plugin's to set"},
		"second request by body":  {[]string{"GET", granted.URL + "/ HTTP/1.1\r\nHost: " + elsewhere}, ""},
		"control character":       {[]string{"GET", granted.URL, "X-Told: a\x01b"}, "X-Told has a control character"},
		"tunnel":                  {[]string{"CONNECT", granted.URL}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := visits.Load()
			got := probe(t, Options{Allow: []string{granted.URL}}, "send", tt.args...)
			fine := strings.HasPrefix(tt.want, "200")
			if fine && !strings.HasPrefix(got, tt.want) || !fine && !strings.HasPrefix(got, "error: ") {
				t.Errorf("it got %q, want %q", got, tt.want)
			}
			if why := probeError(t, granted.URL, tt.args); !fine && !strings.Contains(why, tt.want) {
				t.Errorf("the host said %q, want %q", why, tt.want)
			}
			if fine != (visits.Load() > before) {
				t.Errorf("%d requests came", visits.Load()-before)
			}
			if others.Load() > 0 {
				t.Error("a server was reached that was not granted")
			}
		})
	}
}

// probeError is what people are told of a request that the host refused.
func probeError(t *testing.T, allow string, args []string) string {
	t.Helper()
	grants, err := parseGrants([]string{allow})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(args[:2], " ") + "\n" + strings.Join(append(args[2:], "\n"), "\n")
	if _, err = newCaller(grants).parse(t.Context(), []byte(text)); err == nil {
		return "granted"
	}
	return err.Error()
}

// A redirect is an answer, and not followed.
func TestRedirectIsNotFollowed(t *testing.T) {
	other, others := visited(t, echo)
	for _, status := range []int{301, 302, 303, 307, 308} {
		granted, _ := visited(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		got := probe(t, Options{Allow: []string{granted.URL}}, "send", "POST", granted.URL)
		if !strings.HasPrefix(got, fmt.Sprintf("%d %s", status, other.URL)) || others.Load() > 0 {
			t.Errorf("%d: it got %q", status, got)
		}
	}
}

// What a server answers cannot hang the host or fill it.
func TestHostileAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"long": {func(w http.ResponseWriter, r *http.Request) {
			block := make([]byte, 1<<20)
			for range 64 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, "error: "},
		"long head": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, "error: "},
		"never": {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "ran out of its time"},
		"dripping": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write([]byte("x"))
				w.(http.Flusher).Flush()
				select {
				case <-time.After(10 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		}, "ran out of its time"},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		}, "error: "},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := visited(t, tt.handler)
			began := time.Now()
			got := probe(t, Options{Allow: []string{s.URL}, Limit: time.Second}, "send", "GET", s.URL)
			if !strings.Contains(got, tt.want) {
				t.Errorf("it got %.200q, want %q", got, tt.want)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// An endless body counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return len(b), nil
}

func (e *endless) Close() error { return nil }

// However much room a plugin has for an answer, the host reads no more than its own bound.
func TestAnswerIsBounded(t *testing.T) {
	for _, room := range []int{0, 100, mostAnswer, 16 * mostAnswer} {
		body := new(endless)
		b, err := readAnswer(&http.Response{StatusCode: 200, Body: body}, room)
		if !errors.Is(err, errTooLong) || len(b) > 0 {
			t.Errorf("room for %d: %d bytes, %v", room, len(b), err)
		}
		if body.read > mostAnswer+1<<20 {
			t.Errorf("room for %d: %d bytes were read", room, body.read)
		}
	}
}

// Requests go where they were granted to go, and not by a proxy of the environment, which
// would see them. (The environment is read once in a process, so that cannot be tried.)
func TestNoProxy(t *testing.T) {
	if newCaller(nil).client.Transport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}
