package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfastdb/holdfast/backends/memory"
	"github.com/holdfastdb/holdfast/locking"
)

// Two processes would open the same cell; here they are two variables.
func Example() {
	ctx := context.Background()
	cell := memory.New()

	_, unused, err := cell.Read(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, err := cell.CompareAndSwap(ctx, unused, []byte("mine"))
	if err != nil {
		fmt.Println(err)
		return
	}
	// Somebody who also saw the unused register comes too late.
	_, err = cell.CompareAndSwap(ctx, unused, []byte("yours"))
	fmt.Println(errors.Is(err, locking.ErrConflict))

	value, version, err := cell.Read(ctx)
	fmt.Println(string(value), version == first, err)
	// Output:
	// true
	// mine true <nil>
}
