package locking_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
)

// Two processes share a register. One writes; the other is told who is in the way.
func ExampleCoordinator() {
	ctx := context.Background()
	register := memory.New()

	writer, err := locking.NewCoordinator(register, locking.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer writer.Close(ctx)
	lock, err := writer.NewLock()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, level := range []locking.Level{locking.Shared, locking.Reserved, locking.Exclusive} {
		if err := lock.Lock(ctx, level, nil); err != nil {
			fmt.Println(err)
			return
		}
	}

	other, err := locking.NewCoordinator(register, locking.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer other.Close(ctx)
	second, err := other.NewLock()
	if err != nil {
		fmt.Println(err)
		return
	}
	var held *locking.HeldError
	if err := second.Lock(ctx, locking.Shared, nil); errors.As(err, &held) {
		fmt.Println("held at", held.Level, "under epoch", held.Epoch)
	}

	lock.Unlock(locking.None)
	patient, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	fmt.Println(second.Lock(patient, locking.Shared, func() bool { return true }))
	second.Unlock(locking.None)
	// Output:
	// held at EXCLUSIVE under epoch 1
	// <nil>
}
