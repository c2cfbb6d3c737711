package locking

import (
	"context"
	"sync/atomic"
)

// A splitRegister shows one register until it is cut off, and then fails.
type splitRegister struct {
	a   Register
	cut atomic.Bool
}

func (s *splitRegister) Read(ctx context.Context) ([]byte, Version, error) {
	if s.cut.Load() {
		<-ctx.Done()
		return nil, "", ctx.Err()
	}
	return s.a.Read(ctx)
}

func (s *splitRegister) CompareAndSwap(ctx context.Context, old Version, value []byte) (Version, error) {
	if s.cut.Load() {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return s.a.CompareAndSwap(ctx, old, value)
}
