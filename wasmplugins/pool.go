package wasmplugins

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// mostInstances is how many calls for one database can go on at once.
const mostInstances = 4

// A pool has the instances of a plugin that were opened for one database.
type pool struct {
	plugin *Plugin
	config []byte
	turns  chan struct{}   // holds a value for each instance in use
	life   context.Context // ends with the pool, under mu
	end    context.CancelFunc

	closing sync.Mutex
	ended   int // turns that nobody gets any more; guarded by closing

	mu   sync.Mutex
	idle []*Instance            // guarded by mu
	used map[*Instance]struct{} // guarded by mu
}

// newPool opens one instance, so that what is wrong with the configuration is known now.
func newPool(ctx context.Context, p *Plugin, database string, most int) (*pool, error) {
	config, err := p.options.config(database)
	if err != nil {
		return nil, err
	}
	s := &pool{plugin: p, config: config, turns: make(chan struct{}, most), used: make(map[*Instance]struct{})}
	s.life, s.end = context.WithCancel(context.Background())
	return s, s.use(ctx, func(*Instance) error { return nil })
}

// use does something with an instance, and throws it away if that broke it.
func (s *pool) use(ctx context.Context, do func(*Instance) error) error {
	select {
	case s.turns <- struct{}{}:
	case <-s.life.Done():
		return errPoolClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turns }()
	i, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer s.put(i)
	return do(i)
}

var errPoolClosed = errors.New("wasmplugins: closed")

func (s *pool) take(ctx context.Context) (*Instance, error) {
	i, err := s.spare()
	if i != nil || err != nil {
		return i, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errPoolClosed) })()
	if i, err = s.plugin.opened(ctx, s.config); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		i.close(errPoolClosed)
		return nil, errPoolClosed
	}
	s.used[i] = struct{}{}
	return i, nil
}

// spare returns an instance that nobody uses, or nil.
func (s *pool) spare() (*Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	switch {
	case s.life.Err() != nil:
		return nil, errPoolClosed
	case n == 0:
		return nil, nil
	}
	i := s.idle[n-1]
	s.idle = s.idle[:n-1]
	s.used[i] = struct{}{}
	return i, nil
}

func (s *pool) put(i *Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, i)
	switch {
	case i.broken():
	case s.life.Err() != nil:
		i.close(errPoolClosed)
	default:
		s.idle = append(s.idle, i)
	}
}

// close ends all instances, and waits until their calls have come back. One that is in a
// system call that hangs does not, which is an error until it does.
func (s *pool) close() error {
	s.closing.Lock()
	defer s.closing.Unlock()
	s.endAll()
	patience := time.NewTimer(s.plugin.options.Limit)
	defer patience.Stop()
	for ; s.ended < cap(s.turns); s.ended++ {
		select {
		case s.turns <- struct{}{}:
		case <-patience.C:
			return errors.New("a call into the plugin hangs: what it has is not freed")
		}
	}
	return nil
}

func (s *pool) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	for _, i := range s.idle {
		i.close(errPoolClosed)
	}
	s.idle = nil
	for i := range s.used {
		i.close(errPoolClosed)
	}
}

// opened starts an instance, and has it open what it is told of.
func (p *Plugin) opened(ctx context.Context, config []byte) (*Instance, error) {
	i, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	version, err := i.negotiate(ctx)
	if err == nil {
		_, err = i.call(ctx, exportOpen, 0, [][]byte{config}, uint64(version), uint64(len(config)))
	}
	if err != nil {
		i.close(err)
		return nil, err
	}
	return i, nil
}

// negotiate returns the newest version of the interface that both sides speak.
func (i *Instance) negotiate(ctx context.Context) (uint32, error) {
	oldest, newest, err := i.versions(ctx)
	if err != nil {
		return 0, err
	}
	version := min(newest, newestVersion)
	if version < max(oldest, oldestVersion) {
		return 0, fmt.Errorf("%w: it speaks the versions %d to %d of the interface, and this Holdfast %d to %d", ErrModule, oldest, newest, oldestVersion, newestVersion)
	}
	return version, nil
}

// versions returns those that the plugin speaks.
func (i *Instance) versions(ctx context.Context) (oldest, newest uint32, err error) {
	err = i.guarded(ctx, exportABI, func(ctx context.Context) error {
		i.stack[0] = 0
		err := i.module.ExportedFunction(exportABI).CallWithStack(ctx, i.stack[:1])
		oldest, newest = uint32(i.stack[0]), uint32(i.stack[0]>>32)
		return err
	})
	return oldest, newest, err
}
