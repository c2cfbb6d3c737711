// Package fencewalk holds the model walk of the fence: a test that goes through
// every state that a few holders, their register and a storage on which operations
// take effect at any later time can reach together. In each of them it checks that
// the database, as the record names it and SQLite would recover it, went through all
// acknowledged commits, and that a fresh process that runs alone gets to where it can
// write. There are no clocks: anybody may be found expired at any time, and goes on.
//
// Taking any one rule of the fence away gives a counterexample, of a kind that the
// test expects. It prints the shortest:
//
//	go test -v -run 'TestEachRuleIsNeeded/a_commit_is_verified' ./internal/fencewalk
//
// HOLDFAST_REAL=1 walks through larger scenarios as well.
//
// There is nothing in it but the tests. What they share with the real thing are the
// transitions of [github.com/holdfastdb/holdfast/locking.Record.Step], the order of
// [github.com/holdfastdb/holdfast/internal/fence.Steps] and the comparison of
// [github.com/holdfastdb/holdfast/internal/fence.Mark].
package fencewalk
