package vfs

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// The crash tests give a thousand reasons to warn.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// Who keeps no journal on a disk that hosts share is told once what that means.
func TestJournalInMemoryIsWarnedOf(t *testing.T) {
	for mode, warns := range map[string]int{"memory": 1, "OFF": 1, "delete": 0, "wal": 0} {
		var log strings.Builder
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		t.Cleanup(func() { slog.SetDefault(slog.New(slog.DiscardHandler)) })
		name := register(t, nil, perFile(locking.GradeLease))
		path := filepath.Join(scratch(t), "app.db")
		one, two := connect(t, name, path, ""), connect(t, name, path, "")
		run(t, one, "PRAGMA journal_mode="+mode)
		run(t, two, "PRAGMA journal_mode="+mode)
		if n := strings.Count(log.String(), "tears the database"); n != warns {
			t.Errorf("%s: %d warnings, want %d: %s", mode, n, warns, &log)
		}
	}
}
