package main

// leaseFile compares one active process that holds a lease with one that has no
// Holdfast at all, and then one that gives the lease up after each transaction.
func (b *bench) leaseFile() error {
	t := b.comparisonTable()
	if err := b.compareAll(t, sticky, tasks()); err != nil {
		return err
	}
	return b.compareAll(t, unsticky, []task{
		{"sticky=off: commit of one row, DELETE, synchronous=FULL", commits(journalFull), stock},
		{"sticky=off: read of one row, from SQLite's cache", pointReads("", smallTable), stock},
	})
}
