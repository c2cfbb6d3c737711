// Package testservers runs real servers for tests: stores that speak S3, the API server of
// Kubernetes, etcd, Consul and Apache.
//
// Each program is built once, from a pinned version, into the user's cache directory; that
// takes one to five minutes. Apache is the one that Debian's package apache2-bin installs. It listens on 127.0.0.1 only, and ends with the tests.
//
//	func TestMain(m *testing.M) { testservers.Main(m) }
//
// Tests that need a server run with HOLDFAST_REAL=1: see [Wanted].
package testservers

import (
	"os"
	"testing"
)

// Wanted reports whether tests are to run against real servers. Without it, go test ./...
// stays what a newcomer can run in a minute.
func Wanted() bool { return os.Getenv("HOLDFAST_REAL") == "1" }

// Need skips a test that is not wanted.
func Need(t testing.TB) {
	t.Helper()
	if !Wanted() {
		t.Skip("HOLDFAST_REAL=1 runs this against a real server")
	}
}

// Main runs the tests of a package, and ends the servers that [Shared] started for them.
func Main(m *testing.M) {
	code := m.Run()
	shared.stop()
	os.Exit(code)
}
