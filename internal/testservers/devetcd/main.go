// Command devetcd is etcd as it is, for tests.
//
// It is a module of its own: what it needs is not to be in the one it is for.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
