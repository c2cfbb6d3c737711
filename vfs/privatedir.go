package vfs

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// A privateDir is a directory of this process, on this host, made when it is first
// needed. A process that is killed leaves it behind, with a few KiB.
type privateDir struct {
	path string
	mu   sync.Mutex
	made bool // guarded by mu
}

// make returns the path of the directory.
func (p *privateDir) make() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made {
		return p.path, nil
	}
	p.path = filepath.Join(memoryDir(), "holdfast-"+rand.Text())
	if err := os.Mkdir(p.path, 0700); err != nil {
		return "", fmt.Errorf("shared memory for WAL: %w", err)
	}
	p.made = true
	return p.path, nil
}

func (p *privateDir) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made {
		os.RemoveAll(p.path)
		p.made = false
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
