//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

// What a lock cannot be tried with is refused before anything is booted.
func TestChooseLock(t *testing.T) {
	for _, tt := range []struct {
		lock  string
		args  []string
		fault string
		says  string // "" if it is fine
	}{
		{lock: leaseFile},
		{lock: s3},
		{lock: kube, args: []string{"faults", "handover", "takeover"}},
		{lock: s3, fault: "lock-cut-45s"},
		{lock: leaseFile, fault: "lock-cut-45s", says: "use --lock s3 or k8s"},
		{lock: s3, args: []string{"moments"}, says: "needs the lock to be a lease file"},
		{lock: kube, args: []string{"faults", "guards"}, says: "needs the lock to be a lease file"},
		{lock: "zookeeper", says: "choose from leasefile, s3, k8s"},
	} {
		o := options{lock: tt.lock, ttl: 10 * time.Second}
		if tt.fault != "" {
			o.faults = []string{tt.fault}
		}
		err := o.choose(tt.args)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%+v: %v", tt, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// A fault of the lock's server is one of those that run if there is such a server.
func TestFaultsOfALock(t *testing.T) {
	has := func(o options) bool {
		for _, f := range (&lab{options: o}).chosenFaults() {
			if f.remote {
				return true
			}
		}
		return false
	}
	if has(options{lock: leaseFile}) || !has(options{lock: s3}) || !has(options{lock: kube, short: true}) {
		t.Error("with a lease file, or not with a server")
	}
}
