// Package guest is for plugins that are written in Go. Package lock beneath it makes one
// that brings a lock, and package files one that brings a file system:
//
//	package main
//
//	import (
//		"github.com/holdfastdb/holdfast/wasmplugins/guest"
//		"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
//	)
//
//	func init() { lock.Serve(guest.About{Name: "mine"}, open) }
//
//	func main() {}
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags '-s -w' -o mine.wasm
//
// Everything here is for one goroutine: the host makes one call at a time, and nothing runs
// between two of them.
package guest
