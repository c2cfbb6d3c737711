package s3lease

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/holdfastdb/holdfast/internal/trail"
	"github.com/holdfastdb/holdfast/locking"
)

// probeSuffix ends the key of the object that a bucket is tried with.
const probeSuffix = ".probe"

// probes is what this process found out, by store and bucket.
var probes struct {
	mu       sync.Mutex
	byBucket map[string]*probed // guarded by mu
}

// A probed is one bucket.
type probed struct {
	turn   chan struct{} // of one: has something in it while it is tried
	passed bool          // only who tries it may look
}

// Probe tries, once in a process and bucket, whether the store honours the conditions that
// a register needs. It writes an object beside the register, which stays:
//
//   - If-None-Match: * on an object that exists is refused
//   - If-Match with another ETag is refused
//   - If-Match with the right ETag is not, and a GET then returns what was written
//
// Its error says what was sent and what came back.
func (r *Register) Probe(ctx context.Context) error {
	if err := r.probe(ctx); err != nil {
		return fmt.Errorf("s3lease: try %s: %w", r.name, err)
	}
	return nil
}

func (r *Register) probe(ctx context.Context) error {
	where, err := r.where(ctx)
	if err != nil {
		return err
	}
	probes.mu.Lock()
	p := probes.byBucket[where]
	if p == nil {
		p = &probed{turn: make(chan struct{}, 1)}
		if probes.byBucket == nil {
			probes.byBucket = map[string]*probed{}
		}
		probes.byBucket[where] = p
	}
	probes.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.passed {
		return nil
	}
	err = r.tryStore(ctx)
	p.passed = err == nil
	return err
}

// where names the bucket and its store.
func (r *Register) where(ctx context.Context) (string, error) {
	c, err := r.source.get(ctx)
	if err != nil {
		return "", err
	}
	return aws.ToString(c.Options().BaseEndpoint) + " " + c.Options().Region + " " + r.bucket, nil
}

// tryStore asks the store for what it must refuse, and for what it must not.
func (r *Register) tryStore(ctx context.Context) error {
	p := &Register{bucket: r.bucket, key: r.key + probeSuffix, name: r.name, source: r.source}
	writes := trail.Trail(nil).Next()
	if _, err := p.put(ctx, p.key, onlyOver(""), encode(writes, nil)); err != nil && !isConditional(err) {
		return err
	}
	// It is there now, by us or by somebody before.
	if err := p.mustRefuse(ctx, onlyOver("")); err != nil {
		return err
	}
	if err := p.mustRefuse(ctx, onlyOver(`"00000000000000000000000000000000"`)); err != nil {
		return err
	}
	const tries = 10 // others may try the same object at the same time
	for range tries {
		present, err := p.look(ctx)
		if err != nil {
			return err
		}
		next := present.writes.Next()
		only := onlyOver(present.etag)
		_, err = p.put(ctx, p.key, only, encode(next, nil))
		after, lookErr := p.look(ctx)
		switch {
		case lookErr != nil:
			return lookErr
		case isConditional(err):
			if after.etag == "" {
				return p.unfit("a PUT with %s was answered %v, but a GET finds nothing before and after it", only, brief(err))
			}
			if after.etag == present.etag {
				return p.unfit("a PUT with %s, which is the ETag that a GET returned before and after it, was answered %v", only, brief(err))
			}
			continue
		case err != nil:
			return err
		case after.etag == present.etag:
			return p.unfit("a PUT with %s was answered 200 OK, but a GET returns the object of before", only)
		}
		return nil
	}
	return fmt.Errorf("%w: others try it too, %d times in a row", locking.ErrUnreachable, tries)
}

// mustRefuse sends a PUT whose condition cannot hold.
func (r *Register) mustRefuse(ctx context.Context, only condition) error {
	_, err := r.put(ctx, r.key, only, encode(trail.Trail(nil).Next(), nil))
	switch {
	case err == nil:
		return r.unfit("a PUT with %s on an object with another ETag was answered 200 OK instead of 412", only)
	case isConditional(err):
		return nil
	}
	return err
}

func (r *Register) unfit(format string, args ...any) error {
	return fmt.Errorf("%w, since two processes could both hold the lock: %s (of %s/%s); use a store with conditional writes, or another lock", errUnfit, fmt.Sprintf(format, args...), r.bucket, r.key)
}
