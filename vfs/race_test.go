//go:build race

package vfs

// slow is how much less of everything is tried under the race detector, which
// makes SQLite some ten times slower.
const slow = 6
