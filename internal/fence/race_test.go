//go:build race

package fence

// slow is how much less is tried under the race detector, which makes SQLite some
// ten times slower.
const slow = 5
