package vfs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A privateDir is a directory of this process, on this host, made when it is first
// needed. A process that is killed leaves it behind, and the next that makes one
// removes it.
type privateDir struct {
	mu   sync.Mutex
	path string   // "" while there is none; guarded by mu
	mark *os.File // held open and locked while the directory is in use; guarded by mu
}

const (
	privatePrefix = "holdfast-"
	markName      = "in-use" // a directory without it is just being made, or not ours
)

// make returns the path of the directory.
func (p *privateDir) make() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path != "" {
		return p.path, nil
	}
	parent := memoryDir()
	sweep(parent)
	path := filepath.Join(parent, privatePrefix+rand.Text())
	if err := os.Mkdir(path, 0700); err != nil {
		return "", fmt.Errorf("shared memory for WAL: %w", err)
	}
	mark, err := markDir(path)
	if err != nil {
		return "", fmt.Errorf("shared memory for WAL: %w", errors.Join(err, os.Remove(path)))
	}
	p.path, p.mark = path, mark
	return path, nil
}

func (p *privateDir) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" {
		return
	}
	os.RemoveAll(p.path)
	if p.mark != nil {
		p.mark.Close()
	}
	p.path, p.mark = "", nil
}

// sweep removes what killed processes left behind, as far as that can be told.
func sweep(parent string) {
	left, _ := filepath.Glob(filepath.Join(parent, privatePrefix+"*"))
	for _, path := range left {
		if abandoned(path) {
			os.RemoveAll(path)
		}
	}
}

// memoryDir prefers a directory that is never written to a disk, and that exists
// where the root file system is read-only.
func memoryDir() string {
	const shm = "/dev/shm"
	if runtime.GOOS == "linux" {
		if info, err := os.Stat(shm); err == nil && info.IsDir() && access(shm, sqlitevfs.ACCESS_READWRITE) == nil {
			return shm
		}
	}
	return os.TempDir()
}
