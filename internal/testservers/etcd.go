package testservers

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Etcd is a cluster of one.
var Etcd = etcd("etcd-3.6.8", func(s *Server) ([]string, error) {
	peer, err := freeAddress()
	return []string{"--listen-peer-urls=http://" + peer}, err
})

// etcd is a kind whose members get some more flags.
func etcd(name string, more func(*Server) ([]string, error)) Kind {
	return Kind{
		name:  name,
		build: buildModule("devetcd", "."),
		run: func(s *Server) (argv, env []string, err error) {
			flags, err := more(s)
			return append([]string{
				s.program("devetcd"), "--data-dir=" + filepath.Join(s.dir, "data"), "--log-level=error",
				"--unsafe-no-fsync", // no test switches the machine off
				"--listen-client-urls=" + s.URL(), "--advertise-client-urls=" + s.URL(),
			}, flags...), nil, err
		},
		ready: "/health", // 503 without a leader
	}
}

// StartEtcdCluster starts a cluster of etcd with so many members, which ends with the test.
func StartEtcdCluster(t testing.TB, size int) []*Server {
	t.Helper()
	const tries = 3 // somebody may take the port of a peer before it does
	var members []*Server
	var err error
	for range tries {
		if members, err = startEtcdCluster(size); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		t.Cleanup(m.remove)
	}
	return members
}

func startEtcdCluster(size int) ([]*Server, error) {
	peers, cluster := make([]string, size), make([]string, size)
	for i := range peers {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		peers[i], cluster[i] = "http://"+address, fmt.Sprintf("m%d=http://%s", i, address)
	}
	members, errs := make([]*Server, size), make([]error, size)
	var wg sync.WaitGroup
	for i := range members {
		kind := etcd(Etcd.name, func(*Server) ([]string, error) {
			return []string{
				fmt.Sprintf("--name=m%d", i), "--listen-peer-urls=" + peers[i], "--initial-advertise-peer-urls=" + peers[i],
				"--initial-cluster=" + strings.Join(cluster, ","),
			}, nil
		})
		// At once: none is ready before most are.
		wg.Go(func() { members[i], errs[i] = start(kind) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, m := range members {
			if m != nil {
				m.remove()
			}
		}
		return nil, err
	}
	return members, nil
}
