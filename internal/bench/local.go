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

// A task is a workload with its name in the tables.
type task struct {
	name string
	workload
}

// tasks are those of the tables of kernel locks and of the lease file.
func tasks() []task {
	return []task{
		{"insert of a row, many in one transaction", inserts(journalFull)},
		{"commit of one row, DELETE, synchronous=FULL", commits(journalFull)},
		{"commit of one row, WAL, synchronous=FULL", commits(walFull)},
		{"commit of one row, WAL, synchronous=NORMAL", commits(walNormal)},
		{"read of one row, from SQLite's cache", pointReads("", smallTable)},
		{"read of one row, from the kernel's", pointReads(uncached, largeTable)},
		{"full scan inside SQLite", sums(uncached, largeTable)},
		{"full scan, every row to the program", scans(uncached, largeTable)},
	}
}

// kernelLocks compares the locks of the kernel, which Holdfast takes by itself,
// with go-sqlite3's own VFS.
func (b *bench) kernelLocks() error {
	t := b.comparisonTable()
	for _, same := range []task{
		{"(go-sqlite3 on both sides) commit", commits(journalFull)},
		{"(go-sqlite3 on both sides) read", pointReads("", smallTable)},
	} {
		if err := b.compare(t, same.name, same.on(b.ctx, stock), same.on(b.ctx, stock)); err != nil {
			return err
		}
	}
	return b.compareAll(t, kernel, tasks())
}

// compareAll compares one kind of database with go-sqlite3's own.
func (b *bench) compareAll(t *table, m maker, tasks []task) error {
	for _, k := range tasks {
		if err := b.compare(t, k.name, k.on(b.ctx, stock), k.on(b.ctx, m)); err != nil {
			return err
		}
	}
	return nil
}
