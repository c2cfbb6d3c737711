// Command server keeps keys in memory, for trying a plugin: GET, PUT and DELETE by path, with
// ETag, If-Match and If-None-Match. It prints its URL.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + l.Addr().String())
	log.Fatal(http.Serve(l, &store{entries: map[string]entry{}}))
}

// A store has all keys.
type store struct {
	mu      sync.Mutex
	writes  int              // guarded by mu
	entries map[string]entry // guarded by mu
}

type entry struct {
	etag string
	data []byte
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, there := s.entries[r.URL.Path]
	switch match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match"); {
	case match != "" && (!there || match != now.etag), none == "*" && there:
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Method == http.MethodPut:
		s.writes++
		now = entry{fmt.Sprintf(`"%d"`, s.writes), body}
		s.entries[r.URL.Path] = now
		w.Header().Set("ETag", now.etag)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		w.Header().Set("ETag", now.etag)
		w.Write(now.data)
	case r.Method == http.MethodDelete:
		delete(s.entries, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
