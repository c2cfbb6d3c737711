package plugincheck

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/holdfastdb/holdfast/wasmplugins"
	"github.com/holdfastdb/holdfast/wasmplugins/filestest"
)

// fileChecks are those of a file system: what it must do to hold databases, and then what a
// plugin does besides.
func fileChecks() (all []check) {
	for _, c := range filestest.Checks {
		all = append(all, check{c.Name, func(_ context.Context, s *cell) error {
			return c.Run(filestest.Subject{Open: s.openFS, Dir: s.dir()})
		}})
	}
	return append(all,
		check{"an instance does not grow with its calls", fileMemory},
		check{"an unknown parameter is refused", unknownParameter},
	)
}

// dir is the directory that the plugin is tried in: that of the database.
func (c *cell) dir() string { return path.Dir(filepath.ToSlash(c.fill(c.suite.Database))) }

// filesApart opens the file system in a plugin that is loaded by itself.
func (c *cell) filesApart(ctx context.Context) (*wasmplugins.FS, error) {
	p, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	return c.files(p)
}

// fileMemory: an instance does not grow with its calls.
func fileMemory(ctx context.Context, c *cell) error {
	f, err := c.filesApart(ctx)
	if err != nil {
		return err
	}
	file, err := f.OpenFile(path.Join(c.dir(), "memory.db"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	page, got := make([]byte, memoryValue), make([]byte, memoryValue)
	return c.grows(f.Memory, func(n int) error {
		at := int64(n%16) * memoryValue
		page[n%len(page)]++
		if _, err := file.WriteAt(page, at); err != nil {
			return err
		}
		if _, err := file.ReadAt(got, at); err != nil && err != io.EOF {
			return err
		}
		if !bytes.Equal(page, got) {
			return fmt.Errorf("read something else than was written at %d", at)
		}
		return ctx.Err()
	})
}
