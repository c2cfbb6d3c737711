package kubelease

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestMain(m *testing.M) { testservers.Main(m) }

const (
	testNamespace = "default"
	testLease     = "app-db"
)

func runtimeRaw(raw []byte) runtime.RawExtension { return runtime.RawExtension{Raw: raw} }

// newWire is one on which things happen to writes.
func newWire() *testservers.Wire {
	return &testservers.Wire{Concerns: func(req *http.Request) bool { return req.Method == http.MethodPut || req.Method == http.MethodPost }}
}

// over returns a configuration whose requests go over a wire.
func over(w *testservers.Wire, config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(w.Over)
	return config
}

// subjects are cells at a server, each a Lease of its own.
func subjects(config *rest.Config) func(testing.TB) locktest.Subject {
	var n atomic.Int64
	return func(t testing.TB) locktest.Subject {
		w := newWire()
		name := fmt.Sprintf("%s-%d", testLease, n.Add(1))
		admin := register(t, config, name)
		return locktest.Subject{
			Open:      func() (locking.Register, error) { return New(over(w, config), testNamespace, name) },
			LoseReply: func() { w.Next(testservers.LoseReply) },
			Wipe:      func() error { return wipe(admin) },
		}
	}
}

// register returns one of a Lease.
func register(t testing.TB, config *rest.Config, name string) *Register {
	t.Helper()
	r, err := New(config, testNamespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wipe deletes a Lease, as an administrator does.
func wipe(r *Register) error {
	return r.client.rest.Load().Delete().Namespace(r.namespace).Resource("leases").Name(r.lease).Do(context.Background()).Error()
}

// fakeRegister is one at a fake server.
func fakeRegister(t *testing.T) (*Register, *fakeServer, *testservers.Wire) {
	s, w := newFakeServer(t), newWire()
	return register(t, over(w, s.config), testLease), s, w
}

// realConfig is that of an administrator of the real server.
func realConfig(t testing.TB, s *testservers.Server) *rest.Config {
	t.Helper()
	ca, err := s.CertificateAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return &rest.Config{Host: s.URL(), BearerToken: testservers.AdminToken, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

func mustSwap(t testing.TB, r *Register, old locking.Version, value string) locking.Version {
	t.Helper()
	v, err := r.CompareAndSwap(t.Context(), old, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func checkValue(t testing.TB, r *Register, want string) locking.Version {
	t.Helper()
	value, version, err := r.Read(t.Context())
	if err != nil || string(value) != want {
		t.Errorf("read = %q, %v; want %q", value, err, want)
	}
	return version
}

// checkLine wants one line that is want, and says some things.
func checkLine(t testing.TB, err, want error, says ...string) {
	t.Helper()
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, s := range append(says, "kubelease: ") {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}
