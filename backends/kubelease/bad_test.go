package kubelease

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/holdfastdb/holdfast/locking"
)

// kubeconfig writes one with two contexts, and makes it the only one there is.
func kubeconfig(t *testing.T, host string) string {
	t.Helper()
	c := clientcmdapi.NewConfig()
	c.Clusters["here"] = &clientcmdapi.Cluster{Server: host}
	c.Clusters["there"] = &clientcmdapi.Cluster{Server: "http://127.0.0.1:1"}
	c.AuthInfos["me"] = &clientcmdapi.AuthInfo{Token: "x"}
	c.Contexts["near"] = &clientcmdapi.Context{Cluster: "here", AuthInfo: "me", Namespace: testNamespace}
	c.Contexts["far"] = &clientcmdapi.Context{Cluster: "there", AuthInfo: "me", Namespace: "elsewhere"}
	c.CurrentContext = "far"
	path := filepath.Join(t.TempDir(), "config")
	must(t, clientcmd.WriteToFile(*c, path))
	t.Setenv("KUBECONFIG", path)
	return path
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}

func TestURL(t *testing.T) {
	s := newFakeServer(t)
	path := kubeconfig(t, s.config.Host)
	for text, want := range map[string]string{
		"k8s://apps/app-db":             "k8s://apps/app-db",
		"k8s:///app-db":                 "k8s://elsewhere/app-db",
		"k8s:///app-db?context=near":    "k8s://" + testNamespace + "/app-db?context=near",
		"k8s:///a?kubeconfig=" + path:   "k8s://elsewhere/a?kubeconfig=" + path,
		"k8s://default/app?context=far": "k8s://default/app?context=far",
	} {
		r, err := Open(parse(t, text))
		if err != nil || r.String() != want {
			t.Errorf("%s is %v, %v; want %s", text, r, err, want)
		}
	}
	r, err := Open(parse(t, "k8s:///app-db?context=near"))
	must(t, err)
	mustSwap(t, r, locking.Unused, "over the context that was named")
}

func TestBadURL(t *testing.T) {
	s := newFakeServer(t)
	kubeconfig(t, s.config.Host)
	for bad, says := range map[string]string{
		"k8s:x":                         "want k8s://NAMESPACE/NAME",
		"k8s://apps":                    "want k8s://NAMESPACE/NAME",
		"k8s://apps/":                   "want k8s://NAMESPACE/NAME",
		"k8s://apps/App_DB":             `"App_DB" cannot be the name of a Lease`,
		"k8s://apps.x/app-db":           `"apps.x" cannot be the name of a namespace`,
		"k8s://apps/app-db?ns=x":        `unknown parameter "ns"`,
		"k8s://apps/app-db?context=":    "context is empty",
		"k8s://apps/a?context=gone":     `context "gone" does not exist`,
		"k8s://apps/a?kubeconfig=/gone": "/gone",
	} {
		_, err := Open(parse(t, bad))
		checkLine(t, err, nil, says)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := Open(parse(t, "k8s://apps/app-db"))
	checkLine(t, err, nil, "no cluster", "KUBECONFIG")
}

func TestWholeSeconds(t *testing.T) {
	s := newFakeServer(t)
	kubeconfig(t, s.config.Host)
	open, err := locking.FindBackend(Scheme)
	must(t, err)
	_, err = open(t.Context(), parse(t, "k8s://apps/app-db"), "/data/app.db", locking.Options{TTL: 1500 * time.Millisecond})
	checkLine(t, err, nil, "ttl=1.5s", "whole seconds", "ttl=2s")
	l, err := open(t.Context(), parse(t, "k8s://apps/app-db"), "/data/app.db", locking.Options{TTL: 2 * time.Second})
	must(t, err)
	must(t, l.Close(t.Context()))
}

// An empty Lease that was created beforehand is a register that was never used.
func TestCreatedBeforehand(t *testing.T) {
	r, s, _ := fakeRegister(t)
	s.set(func() {
		s.store(testLease, &coordination.Lease{})
		s.leases[testLease].Name, s.leases[testLease].UID = testLease, "by-hand"
		s.leases[testLease].Labels = map[string]string{"app": "x"}
		s.refuse = map[string]int{http.MethodPost: http.StatusForbidden}
	})
	if v := checkValue(t, r, ""); v != locking.Unused {
		t.Errorf("it has version %q", v)
	}
	mustSwap(t, r, locking.Unused, "value")
	checkValue(t, r, "value")
	if s.leases[testLease].Labels["app"] != "x" {
		t.Error("the label is gone")
	}
}

// Every refusal names the right that lacks.
func TestRefusals(t *testing.T) {
	r, s, _ := fakeRegister(t)
	s.set(func() { s.refuse = map[string]int{http.MethodPost: http.StatusForbidden} })
	_, err := r.CompareAndSwap(t.Context(), locking.Unused, nil)
	checkLine(t, err, nil, "no right to create it", "create it beforehand", testNamespace)
	s.set(func() { s.refuse = nil })
	version := mustSwap(t, r, locking.Unused, "value")
	for method, verb := range map[string]string{http.MethodGet: "get", http.MethodPut: "update", "WATCH": "watch"} {
		s.set(func() { s.refuse = map[string]int{method: http.StatusForbidden} })
		switch verb {
		case "get":
			_, _, err = r.Read(t.Context())
		case "update":
			_, err = r.CompareAndSwap(t.Context(), version, nil)
		case "watch":
			err = r.Watch(t.Context(), version)
		}
		checkLine(t, err, nil, "no right to "+verb, testLease, testNamespace, "Role")
		if errors.Is(err, locking.ErrDoubt) {
			t.Errorf("a refusal is no doubt: %v", err)
		}
	}
	s.set(func() { s.refuse = map[string]int{http.MethodGet: http.StatusUnauthorized} })
	_, _, err = r.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "does not take the token")
	s.set(func() { s.refuse = nil })
	elsewhere, err := New(s.config, "missing", testLease)
	must(t, err)
	_, err = elsewhere.CompareAndSwap(t.Context(), locking.Unused, nil)
	checkLine(t, err, nil, "no namespace missing", "create it")
}

// What somebody else made of the Lease is not written over.
func TestChangedByHand(t *testing.T) {
	record := locking.Record{Format: locking.RecordFormat, Epoch: 7, Entries: []locking.Entry{{
		Holder: locking.Self(), Level: locking.Exclusive, Beat: 1, TTL: 15000, Since: time.Now(), Renewed: time.Now(),
	}}}
	value, err := record.Encode()
	must(t, err)
	text := "somebody"
	for name, row := range map[string]struct {
		change func(*coordination.Lease)
		want   error
		says   []string
	}{
		"holder":              {func(l *coordination.Lease) { l.Spec.HolderIdentity = &text }, locking.ErrForeign, []string{"holderIdentity is somebody"}},
		"holder taken":        {func(l *coordination.Lease) { l.Spec.HolderIdentity = nil }, locking.ErrForeign, []string{"holderIdentity is not set"}},
		"epoch":               {func(l *coordination.Lease) { *l.Spec.LeaseTransitions++ }, locking.ErrForeign, []string{"leaseTransitions is 8"}},
		"record":              {func(l *coordination.Lease) { l.Annotations[recordKey] = "{}" }, locking.ErrForeign, []string{"holderIdentity"}},
		"no writes":           {func(l *coordination.Lease) { delete(l.Annotations, writesKey) }, locking.ErrRecord, []string{"annotations were changed"}},
		"both values":         {func(l *coordination.Lease) { l.Annotations[binaryKey] = "" }, locking.ErrRecord, []string{"annotations were changed"}},
		"another's":           {func(l *coordination.Lease) { l.Annotations = nil }, locking.ErrForeign, []string{"another program", "holderIdentity is", "name another Lease"}},
		"another's, who left": {func(l *coordination.Lease) { l.Annotations, l.Spec.HolderIdentity = nil, nil }, locking.ErrForeign, []string{"another program", "was renewed at"}},
		"another's, long ago": {func(l *coordination.Lease) {
			l.Annotations, l.Spec = nil, coordination.LeaseSpec{LeaseTransitions: l.Spec.LeaseTransitions}
		}, locking.ErrForeign, []string{"another program", "leaseTransitions is 7"}},
		"only labelled": {func(l *coordination.Lease) { l.Labels = map[string]string{"a": "b"} }, nil, nil},
	} {
		r, s, _ := fakeRegister(t)
		version, err := r.CompareAndSwap(t.Context(), locking.Unused, value)
		must(t, err)
		s.set(func() {
			l := s.leases[testLease].DeepCopy()
			row.change(l)
			s.store(testLease, l)
		})
		present := s.leases[testLease].ResourceVersion
		_, _, err = r.Read(t.Context())
		if row.want == nil {
			must(t, err)
			if _, err := r.CompareAndSwap(t.Context(), version, value); !errors.Is(err, locking.ErrConflict) {
				t.Errorf("%s: swap = %v, want a conflict", name, err)
			}
			continue
		}
		checkLine(t, err, row.want, row.says...)
		if _, err := r.CompareAndSwap(t.Context(), version, value); err == nil || errors.Is(err, locking.ErrConflict) {
			t.Errorf("%s: swap = %v", name, err)
		}
		if s.leases[testLease].ResourceVersion != present {
			t.Errorf("%s: it was written over", name)
		}
	}
}

func TestTornKubeconfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(path, []byte("no: {yaml"), 0o600))
	_, err := Open(parse(t, "k8s://apps/a?kubeconfig="+path))
	checkLine(t, err, nil, path)
}
