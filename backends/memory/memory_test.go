package memory_test

import (
	"testing"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestConformance(t *testing.T) {
	locktest.Run(t, func(testing.TB) locktest.Subject {
		cell := memory.New()
		return locktest.Subject{
			Open:      func() (locking.Register, error) { return cell, nil },
			LoseReply: cell.LoseReply,
			Wipe:      func() error { cell.Wipe(); return nil },
		}
	})
}
