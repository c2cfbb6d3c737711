package kubelease

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	coordination "k8s.io/api/coordination/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// A fakeServer answers as the API server does, as far as a register asks, and refuses
// what it is told to.
type fakeServer struct {
	config *rest.Config
	cut    func() // ends all connections

	mu      sync.Mutex
	cond    *sync.Cond
	leases  map[string]*coordination.Lease // by name
	version int
	deleted map[string]int // by name: version at which
	uids    int
	forgets bool                 // what came after any resourceVersion
	refuse  map[string]int       // by method: status that it is refused with
	asked   []string             // methods
	hold    chan chan<- struct{} // if set, the next PUT offers its release here, and waits
}

func newFakeServer(t *testing.T) *fakeServer {
	s := &fakeServer{leases: map[string]*coordination.Lease{}, deleted: map[string]int{}}
	s.cond = sync.NewCond(&s.mu)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.config, s.cut = &rest.Config{Host: server.URL}, server.CloseClientConnections
	return s
}

const leasesPath = "/apis/coordination.k8s.io/v1/namespaces/" + testNamespace + "/leases"

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, leasesPath), "/")
	object := new(coordination.Lease)
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(object); err != nil {
			return
		}
		name = object.Name
	}
	if r.URL.Query().Get("watch") != "" {
		s.watch(w, r, strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name="))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if hold := s.hold; hold != nil && r.Method == http.MethodPut {
		s.hold = nil
		s.mu.Unlock()
		release := make(chan struct{})
		hold <- release
		<-release
		s.mu.Lock()
	}
	s.asked = append(s.asked, r.Method)
	defer func() {
		s.asked = append(s.asked, "DONE")
		s.cond.Broadcast()
	}()
	s.cond.Broadcast()
	present := s.leases[name]
	switch {
	case s.refuse[r.Method] != 0:
		s.fail(w, s.refuse[r.Method], "")
	case !strings.HasPrefix(r.URL.Path, leasesPath) && r.Method == http.MethodGet:
		s.fail(w, http.StatusNotFound, "") // without a word on the namespace
	case !strings.HasPrefix(r.URL.Path, leasesPath):
		reply(w, http.StatusNotFound, &meta.Status{
			TypeMeta: meta.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: meta.StatusFailure, Code: http.StatusNotFound,
			Reason: meta.StatusReasonNotFound, Message: "no namespace, says the server", Details: &meta.StatusDetails{Kind: "namespaces"},
		})
	case r.Method == http.MethodPost && present != nil:
		s.fail(w, http.StatusConflict, meta.StatusReasonAlreadyExists)
	case r.Method == http.MethodPost:
		s.uids++
		object.UID = types.UID(fmt.Sprint("uid-", s.uids))
		s.store(name, object)
		reply(w, http.StatusCreated, object)
	case present == nil:
		s.fail(w, http.StatusNotFound, meta.StatusReasonNotFound)
	case r.Method == http.MethodGet:
		reply(w, http.StatusOK, present)
	case r.Method == http.MethodPut && (object.ResourceVersion != present.ResourceVersion || object.UID != present.UID):
		s.fail(w, http.StatusConflict, meta.StatusReasonConflict)
	case r.Method == http.MethodPut:
		s.store(name, object)
		reply(w, http.StatusOK, object)
	case r.Method == http.MethodDelete:
		s.version++
		delete(s.leases, name)
		s.deleted[name] = s.version
		s.cond.Broadcast()
		reply(w, http.StatusOK, &meta.Status{Status: meta.StatusSuccess})
	}
}

var leaseType = meta.TypeMeta{Kind: "Lease", APIVersion: "coordination.k8s.io/v1"}

func (s *fakeServer) store(name string, object *coordination.Lease) {
	s.version++
	object.ResourceVersion = strconv.Itoa(s.version)
	object.TypeMeta = leaseType
	s.leases[name] = object
	s.cond.Broadcast()
}

// watch tells of what came after a resourceVersion, or without one of what is there, and
// then of each change.
func (s *fakeServer) watch(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, "WATCH")
	s.cond.Broadcast()
	if status := s.refuse["WATCH"]; status != 0 {
		s.fail(w, status, "")
		return
	}
	begun, known := s.version, s.leases[name]
	tell := func(kind string, object any) {
		raw, _ := json.Marshal(object)
		json.NewEncoder(w).Encode(meta.WatchEvent{Type: kind, Object: runtimeRaw(raw)})
		w.(http.Flusher).Flush()
	}
	w.Header().Set("Content-Type", "application/json")
	since := r.URL.Query().Get("resourceVersion")
	switch {
	case since != "" && s.forgets:
		tell("ERROR", &meta.Status{
			TypeMeta: meta.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: meta.StatusFailure, Code: http.StatusGone,
			Reason: meta.StatusReasonExpired, Message: "too old resource version, says the server",
		})
		return
	case since != "":
		begun, _ = strconv.Atoi(since)
		if known == nil || known.ResourceVersion != since {
			known = &coordination.Lease{TypeMeta: leaseType, ObjectMeta: meta.ObjectMeta{Name: name, ResourceVersion: since}}
		}
		w.(http.Flusher).Flush()
	case known != nil:
		tell("ADDED", known)
	default:
		w.(http.Flusher).Flush()
	}
	// Under the lock: between a look at the context and the wait nobody would hear it.
	defer context.AfterFunc(r.Context(), func() { s.set(s.cond.Broadcast) })()
	for r.Context().Err() == nil {
		switch present := s.leases[name]; {
		case present != nil && present != known:
			known = present
			tell("MODIFIED", present)
		case present == nil && s.deleted[name] > begun && known != nil:
			tell("DELETED", known)
			known = nil
		}
		s.cond.Wait()
	}
}

func (s *fakeServer) fail(w http.ResponseWriter, status int, reason meta.StatusReason) {
	if reason == "" {
		reason = map[int]meta.StatusReason{
			http.StatusForbidden: meta.StatusReasonForbidden, http.StatusUnauthorized: meta.StatusReasonUnauthorized,
			http.StatusNotFound: meta.StatusReasonNotFound, http.StatusTooManyRequests: meta.StatusReasonTooManyRequests,
			http.StatusServiceUnavailable: meta.StatusReasonServiceUnavailable, http.StatusInternalServerError: meta.StatusReasonInternalError,
		}[status]
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, status, &meta.Status{
		TypeMeta: meta.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: meta.StatusFailure, Code: int32(status), Reason: reason,
		Message: "says the server", Details: &meta.StatusDetails{Kind: "leases"},
	})
}

func reply(w http.ResponseWriter, status int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(object)
}

func (s *fakeServer) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// count returns how many requests of a method there were.
func (s *fakeServer) count(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted(method)
}

// counted is count for who has the mutex.
func (s *fakeServer) counted(method string) (n int) {
	for _, a := range s.asked {
		if a == method {
			n++
		}
	}
	return n
}

// await waits until there were so many requests of a method.
func (s *fakeServer) await(method string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.counted(method) < n {
		s.cond.Wait()
	}
}
