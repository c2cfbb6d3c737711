//go:build !wasip1

package guest

import "crypto/rand"

// This package does something as part of a plugin alone. Elsewhere it compiles, so that
// editors and checks can read it.

const elsewhere = "guest: this is for programs that are built with GOOS=wasip1 GOARCH=wasm"

// Send sends a request. An error is [ErrDenied] if nothing was sent and never will be,
// [ErrUnreachable] if nothing was sent or the request is safe, and [ErrDoubt] if it is
// unknown what became of it.
func Send(Request) (*Answer, error) { panic(elsewhere) }

// Log tells people something: level 0 debug, 1 info, 2 warning, 3 error.
func Log(int, string) { panic(elsewhere) }

// Input returns the beginning of what the host has written, for an export of another
// package. It is there until the next call.
func Input(int) []byte { panic(elsewhere) }

// Reply returns what an export returns for a payload or an error. It is for the exports of
// other packages.
func Reply([]byte, error) int64 { panic(elsewhere) }

func random(b []byte) { rand.Read(b) }
