package plugincheck

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

// A cell is what one check is given: the plugin with a name of its own for [Fresh], and the
// wire that its HTTP requests go over.
type cell struct {
	suite *suite
	check string
	name  string // what stands for Fresh
	wire  *wire

	life    context.Context // ends when the check is over
	end     context.CancelFunc
	opening sync.RWMutex // is read-locked while something is opened

	mu     sync.Mutex
	closed bool     // guarded by mu
	opened []func() // what frees what was opened; guarded by mu
	made   []string // directories to remove; guarded by mu
	plugin *wasmplugins.Plugin
}

// newCell makes a cell, with the directories of its own that are granted.
func (s *suite) newCell(ctx context.Context) (*cell, error) {
	var random [6]byte
	rand.Read(random[:])
	c := &cell{suite: s, name: hex.EncodeToString(random[:]), wire: new(wire)}
	c.life, c.end = context.WithCancel(context.Background())
	for _, d := range s.Plugin.Dirs {
		if !strings.Contains(d.Path, Fresh) {
			continue
		}
		path := c.fill(d.Path)
		if err := os.Mkdir(path, 0o777); err != nil {
			c.close(ctx)
			return nil, fmt.Errorf("make a granted directory for the check: %w", err)
		}
		c.made = append(c.made, path)
	}
	return c, nil
}

// fill puts the name of the cell into a text.
func (c *cell) fill(text string) string { return strings.ReplaceAll(text, Fresh, c.name) }

// options are those of the plugin for this cell.
func (c *cell) options() wasmplugins.Options {
	o := c.suite.Plugin
	o.Params = maps.Clone(o.Params)
	for name, values := range o.Params {
		o.Params[name] = slices.Clone(values)
		for i, v := range values {
			o.Params[name][i] = c.fill(v)
		}
	}
	o.Dirs = slices.Clone(o.Dirs)
	for i, d := range o.Dirs {
		o.Dirs[i].Path = filepath.Clean(c.fill(d.Path))
	}
	o.Transport = c.wire.wrap
	return o
}

// load loads the plugin once more.
func (c *cell) load(ctx context.Context, change ...func(*wasmplugins.Options)) (*wasmplugins.Plugin, error) {
	o := c.options()
	for _, f := range change {
		f(&o)
	}
	p, err := wasmplugins.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	return p, c.keep(func() { p.Close() })
}

var errClosed = errors.New("the check is over")

// keep has something that was opened be freed at the end.
func (c *cell) keep(free func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		free()
		return errClosed
	}
	c.opened = append(c.opened, free)
	return nil
}

// close frees all that was opened. It deletes the cell if it is known how, and ctx has not
// ended.
func (c *cell) close(ctx context.Context) {
	// A check that was left alone may just be opening the plugin, which is not to be freed then.
	c.end()
	c.opening.Lock()
	c.mu.Lock()
	opened := c.opened
	c.opened, c.closed = nil, true
	c.mu.Unlock()
	c.opening.Unlock()
	for _, free := range slices.Backward(opened) {
		free()
	}
	for _, dir := range c.made {
		os.RemoveAll(dir)
	}
	if len(opened) > 0 && c.suite.Wipe != "" {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		c.wipe(ctx) // there may be none: what matters was said by the check
	}
}

// shared is the plugin that all openers of a cell have in common. Each has instances of its
// own, which know no more of each other than those of two processes.
func (c *cell) shared(ctx context.Context) (*wasmplugins.Plugin, error) {
	if c.plugin == nil {
		p, err := c.load(ctx)
		if err != nil {
			return nil, err
		}
		c.plugin = p
	}
	return c.plugin, nil
}

// open returns one more opener of the lock.
func (c *cell) open() (locking.Register, error) {
	p, err := c.shared(context.Background())
	if err != nil {
		return nil, err
	}
	r, err := c.register(p)
	if err != nil {
		return nil, err
	}
	if w, ok := r.Watched().(locking.Watcher); ok {
		return watcher{r, w}, nil
	}
	return r, nil
}

// register opens a plugin as a lock.
func (c *cell) register(p *wasmplugins.Plugin) (*register, error) {
	c.opening.RLock()
	defer c.opening.RUnlock()
	r, err := p.Register(c.life, c.fill(c.suite.Database))
	if err != nil {
		return nil, err
	}
	return &register{r, c}, c.keep(func() { r.Close() })
}

// aside opens the lock once more, with requests that do not go over the wire.
func (c *cell) aside(ctx context.Context) (*wasmplugins.Register, error) {
	p, err := c.load(ctx, func(o *wasmplugins.Options) { o.Transport = nil })
	if err != nil {
		return nil, err
	}
	r, err := c.register(p)
	if err != nil {
		return nil, err
	}
	return r.Register, nil
}

// openFS opens the plugin as a file system, once more.
func (c *cell) openFS() (afero.Fs, error) {
	p, err := c.shared(context.Background())
	if err != nil {
		return nil, err
	}
	return c.files(p)
}

// files opens a plugin as a file system.
func (c *cell) files(p *wasmplugins.Plugin) (*wasmplugins.FS, error) {
	c.opening.RLock()
	defer c.opening.RUnlock()
	f, err := p.FS(c.life)
	if err != nil {
		return nil, err
	}
	return f, c.keep(func() { f.Close() })
}

func (c *cell) firstRead(ctx context.Context) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	_, version, err := r.Read(ctx)
	if err == nil && version != locking.Unused {
		return fmt.Errorf("the cell of a new name was written already (version %q): write %s into the parameter that names the cell", version, Fresh)
	}
	return err
}
