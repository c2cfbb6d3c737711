// Package demo shows what Holdfast is for: three processes that write to one
// database through a lease, while one is killed and one is frozen in the middle of
// a transaction. Afterwards it checks that nothing was lost and nothing is there
// twice.
package demo
