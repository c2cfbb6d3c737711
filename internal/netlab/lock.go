//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/internal/testservers/locks"
)

// What the databases' locks are: files beside them, or in the keeping of a real server.
// That runs on this host, and the clients reach it by a card of their own.
const (
	leaseFile = "leasefile"
	s3        = "s3"
	kube      = "k8s"
)

var lockNames = []string{leaseFile, s3, kube}

// remote reports whether the lock is a server's.
func (o *options) remote() bool { return o.lock == s3 || o.lock == kube }

// startLock starts the lock's server, if it has one. The first time that takes minutes, to
// build it.
func (l *lab) startLock(ctx context.Context) (err error) {
	if !l.remote() {
		return nil
	}
	kind := map[string]testservers.Kind{s3: testservers.Versitygw, kube: testservers.Kube}[l.lock]
	l.sayf("the lock is kept by %v, which is built if it never was", kind)
	s, err := testservers.StartShared(kind)
	if err != nil {
		return err
	}
	if l.lock == s3 {
		l.locks, err = locks.S3(ctx, s, s.URLAt(machine.HostAddress))
		return err
	}
	dir, err := filepath.Abs(l.dir)
	if err != nil {
		return err
	}
	l.locks, err = locks.Kube(s, s.URLAt(machine.HostAddress), filepath.Join(dir, "kubeconfig"))
	return err
}

// lockParams say which lock a database has, if that is not the default.
func (s *subject) lockParams() url.Values {
	if !s.lab.remote() {
		return nil
	}
	return url.Values{"lock": {s.lab.locks.URL(s.path())}}
}

// environment is that of the programs.
func (l *lab) environment() (env []string) {
	for _, name := range slices.Sorted(maps.Keys(l.locks.Env)) {
		env = append(env, fmt.Sprintf("%s=%s", name, l.locks.Env[name]))
	}
	return env
}
