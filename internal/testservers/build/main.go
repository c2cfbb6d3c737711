// Command build builds the servers that tests run, as far as they are not in the user's
// cache. Tests build what they need themselves: but those that measure a time should not
// share the machine with compilers.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/holdfastdb/holdfast/internal/testservers"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	for _, kind := range testservers.Built {
		start := time.Now()
		if err := kind.Build(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s: %v\n", kind, time.Since(start).Round(time.Second))
	}
}
