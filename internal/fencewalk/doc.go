// Package fencewalk holds the model walk of the fence: a test that goes through
// every state that a few holders, their register and a storage on which operations
// take effect at any later time can reach together, and checks in each of them that
// the database is recoverable to all acknowledged commits and that somebody can go
// on. Taking any one rule of the fence away gives a counter-example, which the test
// expects by name.
//
// There is nothing in it but the tests. They run the transitions of
// [github.com/holdfastdb/holdfast/locking.Record.Step] themselves.
package fencewalk
