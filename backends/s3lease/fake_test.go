package s3lease

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A fakeStore answers as S3 does, as far as a register asks, and lies when it is told to.
type fakeStore struct {
	url string

	mu      sync.Mutex
	noted   *sync.Cond
	objects map[string][]byte
	keys    map[string]bool // access keys that are good; nil: all are
	lie     lie
	asked   []string             // method and key
	hold    chan chan<- struct{} // if set, the next PUT of a register offers its release here, and waits
}

// A lie is what a store does wrong.
type lie struct {
	noMatchIgnored, matchIgnored, inverted, neverMatches bool
	stale                                                bool   // reads what was there first
	refuse                                               string // code of what it answers every request with
	status                                               int    // of that
	refusePut                                            bool   // only a PUT
}

func newFakeStore(t *testing.T) *fakeStore {
	s := &fakeStore{objects: map[string][]byte{}}
	s.noted = sync.NewCond(&s.mu)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if hold := s.hold; hold != nil && r.Method == http.MethodPut && !strings.HasSuffix(key, probeSuffix) {
		s.hold = nil
		s.mu.Unlock()
		release := make(chan struct{})
		hold <- release
		<-release
		s.mu.Lock()
	}
	s.asked = append(s.asked, r.Method+" "+key)
	defer s.note("DONE " + key)
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(credential, "/")
	present, exists := s.objects[key]
	switch {
	case bucket != testBucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case s.keys != nil && !s.keys[id]:
		refuse(w, http.StatusForbidden, "ExpiredToken")
	case s.lie.refuse != "" && (r.Method == http.MethodPut || !s.lie.refusePut):
		refuse(w, s.lie.status, s.lie.refuse)
	case r.Method == http.MethodGet && !exists:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	case r.Method == http.MethodGet:
		w.Header().Set("ETag", etag(present))
		w.Write(present)
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		if code := s.condition(r, present, exists); code != 0 {
			refuse(w, code, map[int]string{http.StatusNotFound: "NoSuchKey", http.StatusPreconditionFailed: "PreconditionFailed"}[code])
			return
		}
		if !s.lie.stale || !exists {
			s.objects[key] = body
		}
		w.Header().Set("ETag", etag(body))
	default:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

// condition returns the status that a PUT is refused with, or 0.
func (s *fakeStore) condition(r *http.Request, present []byte, exists bool) int {
	match, fails := r.Header.Get("If-Match"), false
	switch {
	case r.Header.Get("If-None-Match") == "*":
		fails = exists && !s.lie.noMatchIgnored
	case match != "" && !exists && !s.lie.matchIgnored:
		return http.StatusNotFound
	case match != "":
		fails = (match != etag(present) || s.lie.neverMatches) && !s.lie.matchIgnored
	}
	if fails != s.lie.inverted {
		return http.StatusPreconditionFailed
	}
	return 0
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>says the store</Message></Error>", code)
}

// note takes note of something, for who waits for it. The caller holds mu.
func (s *fakeStore) note(what string) {
	s.asked = append(s.asked, what)
	s.noted.Broadcast()
}

// await waits until there were so many of something.
func (s *fakeStore) await(method, key string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.counted(method+" "+key) < n {
		s.noted.Wait()
	}
}

// count returns how many requests of a method and key there were.
func (s *fakeStore) count(method, key string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted(method + " " + key)
}

// counted is count for who has the mutex.
func (s *fakeStore) counted(what string) (n int) {
	for _, a := range s.asked {
		if a == what {
			n++
		}
	}
	return n
}

func (s *fakeStore) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}
