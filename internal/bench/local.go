package main

// What the pragmas are. SQLite's defaults are written out where they matter.
const (
	journalFull = "_pragma=journal_mode(delete)&_pragma=synchronous(full)"
	walFull     = "_pragma=journal_mode(wal)&_pragma=synchronous(full)"
	walNormal   = "_pragma=journal_mode(wal)&_pragma=synchronous(normal)"
	uncached    = "_pragma=cache_size(10)" // pages, so that nearly all come from the kernel
)

const (
	smallTable = 5_000  // rows; fits into SQLite's cache
	largeTable = 50_000 // rows; about 6 MB
)

// A task is a workload with its name in the tables, and what it is compared with.
type task struct {
	name string
	workload
	base maker
}

// tasks are those of the tables of kernel locks and of the lease file.
func tasks() []task {
	return []task{
		{"insert of a row, many in one transaction", inserts(journalFull), stock},
		{"commit of one row, DELETE, synchronous=FULL", commits(journalFull), stock},
		{"the same, with go-sqlite3 made to sync the directory", commits(journalFull), honest},
		{"commit of one row, WAL, synchronous=FULL", commits(walFull), stock},
		{"commit of one row, WAL, synchronous=NORMAL", commits(walNormal), stock},
		{"read of one row, from SQLite's cache", pointReads("", smallTable), stock},
		{"read of one row, from the kernel's", pointReads(uncached, largeTable), stock},
		{"full scan inside SQLite", sums(uncached, largeTable), stock},
		{"full scan, every row to the program", scans(uncached, largeTable), stock},
	}
}

// kernelLocks compares the locks of the kernel, which Holdfast takes by itself,
// with go-sqlite3's own VFS.
func (b *bench) kernelLocks() error {
	t := b.comparisonTable()
	same := []task{
		{"(go-sqlite3 on both sides) commit", commits(journalFull), stock},
		{"(go-sqlite3 on both sides) read", pointReads("", smallTable), stock},
	}
	if err := b.compareAll(t, stock, same); err != nil {
		return err
	}
	return b.compareAll(t, kernel, tasks())
}

// compareAll compares one kind of database with what is named in each task.
func (b *bench) compareAll(t *table, m maker, tasks []task) error {
	for _, k := range tasks {
		if err := b.compare(t, k.name, k.on(b.ctx, k.base), k.on(b.ctx, m)); err != nil {
			return err
		}
	}
	return nil
}
