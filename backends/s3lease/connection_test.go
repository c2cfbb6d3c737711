package s3lease

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A connection that leads nowhere any more ends with the request that was given up on it,
// whatever else the store speaks.
func TestDeadConnectionIsNotUsedAgain(t *testing.T) {
	writeCredentials(t, setEnvironment(t), "id")
	store := newFakeStore(t)
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
			return
		}
		store.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", authority)
	r, err := openURL(t, "s3://"+testBucket+"/"+testKey+"?endpoint="+url.QueryEscape(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	cut = true
	mu.Unlock()
	read := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		told := make(chan error, 1)
		go func() {
			_, _, err := r.Read(ctx)
			told <- err
		}()
		select {
		case <-silent:
			cancel()
			return <-told
		case err := <-told:
			return err
		}
	}
	checkLine(t, read(), context.Canceled)
	const most = 5 // connections of the probe
	for tries := 1; ; tries++ {
		err := read()
		if err == nil {
			break
		}
		if tries == most {
			t.Fatalf("it is used after %d tries, too: %v", tries, err)
		}
	}
}
