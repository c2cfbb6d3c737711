// Package wasmplugins runs locks and file systems that come as one WebAssembly module each.
//
// A plugin can do what its URL grants, and nothing else. ABI.md says what a plugin must be;
// package guest is for those that are written in Go.
//
// Importing this package adds the lock scheme [Scheme], and links a WebAssembly runtime.
package wasmplugins
