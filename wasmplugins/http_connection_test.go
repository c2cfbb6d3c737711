package wasmplugins

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// callerOf is what sends requests to a URL.
func callerOf(t *testing.T, allow string) *caller {
	t.Helper()
	grants, err := parseGrants([]string{allow})
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(grants)
	t.Cleanup(c.close)
	return c
}

// asked sends a request.
func asked(ctx context.Context, c *caller, url string) error {
	_, _, err := c.do(ctx, []byte("GET "+url+"\n\n"), mostAnswer)
	return err
}

// A connection that leads nowhere any more ends with the request that was given up on it,
// whatever else the server speaks.
func TestDeadConnectionIsNotUsedAgain(t *testing.T) {
	var mu sync.Mutex
	cut, dead := false, map[string]bool{} // both guarded by mu
	silent := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if !cut {
			dead[r.RemoteAddr] = true
		}
		lost := cut && dead[r.RemoteAddr]
		mu.Unlock()
		if lost {
			select {
			case silent <- struct{}{}:
			case <-r.Context().Done():
			}
			<-r.Context().Done()
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	c := callerOf(t, s.URL)
	c.client.Transport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		told := make(chan error, 1)
		go func() { told <- asked(ctx, c, s.URL) }()
		select {
		case <-silent:
			cancel()
			return <-told
		case err := <-told:
			return err
		}
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	cut = true
	mu.Unlock()
	if err := ask(); !errors.Is(err, context.Canceled) {
		t.Fatalf("on a connection that is dead: %v", err)
	}
	if err := ask(); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// A server that takes a connection and says nothing has it closed, though the request that it
// was for was given up before.
func TestSilentHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const origin = "https://lock.example.com:443"
		c := callerOf(t, origin)
		ended := make(chan struct{})
		c.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				io.Copy(io.Discard, there)
				close(ended)
			}()
			return here, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := asked(ctx, c, origin); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that is not answered: %v", err)
		}
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Error("the connection is still there after a minute")
			c.close()
		}
	})
}

// What a plugin sends may be secret, and errors are logged.
func TestErrorsTellNoSecret(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	u, err := url.Parse(down.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := callerOf(t, down.URL)
	for name, test := range map[string]struct{ request, want string }{
		"no connection":          {"GET " + down.URL + "/x?token=hunter2\n\n", "refused"},
		"no method":              {down.URL + "/x?token=hunter2\n\n", "no METHOD URL"},
		"no URL":                 {"GET " + down.URL + "/%zz?token=hunter2\n\n", "invalid URL escape"},
		"no origin":              {"GET ftp://" + u.Host[:4] + "/x?token=hunter2\n\n", "neither http://HOST"},
		"user":                   {"GET http://hunter2:hunter2@" + u.Host + "/x?token=hunter2\n\n", "a user or a fragment"},
		"not granted":            {"GET http://lock.example.com/x?token=hunter2\n\n", "allow=http://lock.example.com:80"},
		"value with a line end":  {"GET " + down.URL + "\nAuthorization: Bearer hunter2\r\n\n", "the header Authorization"},
		"name with a space":      {"GET " + down.URL + "\nA: b\nhunter2 hunter2: x\n\n", "line 3"},
		"value and no name":      {"GET " + down.URL + "\nhunter2\n\n", "line 2"},
		"header that is not its": {"GET " + down.URL + "\nProxy-Authorization: hunter2\n\n", "Proxy-Authorization is not the plugin's to set"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.do(t.Context(), []byte(test.request), mostAnswer)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
