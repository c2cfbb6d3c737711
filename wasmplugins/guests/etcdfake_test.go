package guests

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// A fakeEtcd answers transactions as the gateway of etcd does, as far as a register asks. Its
// answers were compared with those of etcd 3.6.8.
type fakeEtcd struct {
	url string

	mu       sync.Mutex
	revision int64                  // guarded by mu
	keys     map[string]fakeEtcdKey // guarded by mu
	tokens   map[string]bool        // guarded by mu; nil: no authentication
	refuse   string                 // guarded by mu; what the next request is answered with
	status   int                    // guarded by mu; of that
	asked    []string               // guarded by mu; paths
}

type fakeEtcdKey struct {
	Key      string `json:"key"`
	Created  int64  `json:"create_revision,string"`
	Modified int64  `json:"mod_revision,string"`
	Value    string `json:"value,omitempty"`
}

type fakeEtcdOp struct {
	Range *struct {
		Key string `json:"key"`
	} `json:"request_range"`
	Put *struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"request_put"`
}

func newFakeEtcd(t testing.TB) *fakeEtcd {
	s := &fakeEtcd{revision: 1, keys: map[string]fakeEtcdKey{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *fakeEtcd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.URL.Path)
	token := r.Header.Get("Authorization")
	switch {
	case s.refuse != "":
		w.WriteHeader(s.status)
		w.Write([]byte(s.refuse))
		s.refuse = ""
	case r.URL.Path == "/v3/auth/authenticate":
		s.authenticate(w, r)
	case s.tokens != nil && token == "":
		refuseEtcd(w, http.StatusBadRequest, 3, "etcdserver: user name is empty")
	case s.tokens != nil && !s.tokens[token]:
		refuseEtcd(w, http.StatusUnauthorized, 16, "etcdserver: invalid auth token")
	case r.URL.Path == "/v3/kv/txn":
		s.transact(w, r)
	case r.URL.Path == "/v3/kv/deleterange":
		var req struct{ Key string }
		if json.NewDecoder(r.Body).Decode(&req) == nil {
			delete(s.keys, req.Key)
			s.revision++
		}
		w.Write([]byte("{}"))
	default:
		refuseEtcd(w, http.StatusNotFound, 5, "Not Found")
	}
}

func refuseEtcd(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message, "details": []any{}})
}

func (s *fakeEtcd) authenticate(w http.ResponseWriter, r *http.Request) {
	var req struct{ Name, Password string }
	switch err := json.NewDecoder(r.Body).Decode(&req); {
	case err != nil || s.tokens == nil:
		refuseEtcd(w, http.StatusBadRequest, 9, "etcdserver: authentication is not enabled")
	case req.Name != "user" || req.Password != "hunter2":
		refuseEtcd(w, http.StatusBadRequest, 3, "etcdserver: authentication failed, invalid user ID or password")
	default:
		token := "token." + strconv.Itoa(len(s.asked))
		s.tokens[token] = true
		json.NewEncoder(w).Encode(map[string]string{"token": token})
	}
}

func (s *fakeEtcd) transact(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Compare []struct {
			Key      string
			Target   string
			Created  string `json:"create_revision"`
			Modified string `json:"mod_revision"`
			Value    string
		}
		Success, Failure []fakeEtcdOp
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuseEtcd(w, http.StatusBadRequest, 3, err.Error())
		return
	}
	holds := true
	for _, c := range req.Compare {
		k := s.keys[c.Key]
		switch c.Target {
		case "CREATE":
			holds = holds && strconv.FormatInt(k.Created, 10) == c.Created
		case "MOD":
			holds = holds && strconv.FormatInt(k.Modified, 10) == c.Modified
		case "VALUE":
			holds = holds && k.Modified > 0 && k.Value == c.Value
		default:
			refuseEtcd(w, http.StatusBadRequest, 3, "target "+c.Target)
			return
		}
	}
	ops := req.Success
	if !holds {
		ops = req.Failure
	}
	answer := map[string]any{"responses": s.apply(ops), "header": map[string]string{"revision": strconv.FormatInt(s.revision, 10)}}
	if holds {
		answer["succeeded"] = true
	}
	json.NewEncoder(w).Encode(answer)
}

// apply does the operations of a transaction, which has one revision. The caller holds mu.
func (s *fakeEtcd) apply(ops []fakeEtcdOp) (responses []any) {
	next := s.revision + 1
	for _, op := range ops {
		switch {
		case op.Put != nil:
			k := fakeEtcdKey{op.Put.Key, s.keys[op.Put.Key].Created, next, op.Put.Value}
			if k.Created == 0 {
				k.Created = next
			}
			s.keys[k.Key], s.revision = k, next
			responses = append(responses, map[string]any{"response_put": map[string]any{}})
		case op.Range != nil:
			found := map[string]any{}
			if k, ok := s.keys[op.Range.Key]; ok {
				found["kvs"], found["count"] = []fakeEtcdKey{k}, "1"
			}
			responses = append(responses, map[string]any{"response_range": found})
		}
	}
	return responses
}

// snapshot returns what [fakeEtcd.restore] brings back.
func (s *fakeEtcd) snapshot() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	revision, keys := s.revision, maps.Clone(s.keys)
	return func() { s.revision, s.keys = revision, keys }
}

func (s *fakeEtcd) restore(snapshot func()) { s.set(snapshot) }

func (s *fakeEtcd) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}
