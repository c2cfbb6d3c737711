// Command holdfast is a shell for SQLite databases that are shared between
// processes and hosts, a look at their locks, and a demonstration.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
