package kubelease

import (
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestConformance(t *testing.T) {
	locktest.RunInRealTime(t, subjects(newFakeServer(t).config))
}

func TestConformanceOfRealServer(t *testing.T) {
	testservers.Need(t)
	locktest.RunInRealTime(t, subjects(realConfig(t, testservers.Shared(t, testservers.Kube))))
}
