package flock

import (
	"context"
	"errors"
	"testing"

	"github.com/holdfastdb/holdfast/locking"
)

// What a transaction pays, without one that waits.
func BenchmarkTransaction(b *testing.B) {
	for _, level := range []locking.Level{shared, exclusive} {
		b.Run(level.String(), func(b *testing.B) {
			k := newLock(b, newLocker(b, newDatabase(b)))
			for b.Loop() {
				climb(b, k, way[level]...)
				if err := k.Unlock(none); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What it costs to say who is in the way.
func BenchmarkHeldError(b *testing.B) {
	b.Run("this process", func(b *testing.B) {
		l := newLocker(b, newDatabase(b))
		climb(b, newLock(b, l), way[exclusive]...)
		benchmarkHeldError(b, newLock(b, l))
	})
	b.Run("another process", func(b *testing.B) {
		l := newLocker(b, newDatabase(b)).(*locker)
		c := startChild(b, "ours", l.database)
		for _, step := range way[exclusive] {
			if err := c.do(step.String()); err != nil {
				b.Fatal(err)
			}
		}
		benchmarkHeldError(b, newLock(b, l))
	})
}

func benchmarkHeldError(b *testing.B, k *lock) {
	for b.Loop() {
		if err := k.Lock(context.Background(), shared, nil); !errors.Is(err, locking.ErrHeld) {
			b.Fatal(err)
		}
	}
}
