package vfstest

import (
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// sector is the unit in which a torn write was done or not. A drive writes none
// of them by half.
const sector = 512

// PowerCut returns the disk as it may be found after a power cut; rng chooses.
// The Disk itself is not changed.
//
//   - Of the unsynced changes of a file, each write is there, or is not, or some of
//     its sectors are; each truncation is there, or is not. They reach the medium
//     in no order.
//   - Of the unsynced changes of names, those before some moment are there: a file
//     system logs them in order.
func (d *Disk) PowerCut(rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := NewDisk()
	maps.Copy(after.dirs, d.dirs)
	names := maps.Clone(d.durable)
	done := 0
	if n := len(d.moves); n > 0 {
		done = rng.IntN(n + 1)
	}
	apply(names, d.moves[:done])
	copies := make(map[*inode]*inode)
	for _, name := range slices.Sorted(maps.Keys(names)) { // in the order of the seed
		file := names[name]
		if copies[file] == nil {
			content := file.afterCut(rng)
			copies[file] = &inode{data: content, durable: slices.Clone(content)}
		}
		after.names[name] = copies[file]
		after.durable[name] = copies[file]
	}
	return after
}

func (i *inode) afterCut(rng *rand.Rand) []byte {
	content := slices.Clone(i.durable)
	for _, c := range i.changes {
		switch rng.IntN(3) {
		case 0:
			content = c.on(content)
		case 1:
			content = c.torn(rng).on(content)
		}
	}
	return content
}

// torn returns the change with some sectors of its data only: those from one to
// another, since most drives write a run of them.
func (c change) torn(rng *rand.Rand) change {
	if len(c.data) == 0 {
		return c
	}
	sectors := (len(c.data) + sector - 1) / sector
	from := rng.IntN(sectors) * sector
	to := min(from+(1+rng.IntN(sectors))*sector, len(c.data))
	return change{c.off + int64(from), c.data[from:to]}
}

// Kill returns the disk as the next process finds it when this one died but the
// machine lives on: everything that was written is there. What was not synced still
// is not. The Disk itself is not changed by what happens to the one returned.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := NewDisk()
	maps.Copy(after.dirs, d.dirs)
	copies := make(map[*inode]*inode)
	clone := func(file *inode) *inode {
		if file != nil && copies[file] == nil {
			copies[file] = &inode{slices.Clone(file.data), slices.Clone(file.durable), slices.Clone(file.changes)}
		}
		return copies[file]
	}
	for name, file := range d.names {
		after.names[name] = clone(file)
	}
	for name, file := range d.durable {
		after.durable[name] = clone(file)
	}
	for _, m := range d.moves {
		after.moves = append(after.moves, move{m.name, clone(m.file)})
	}
	return after
}

// Unsynced reports whether anything written to the file is not durable.
func (d *Disk) Unsynced(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := d.names[clean(name)]
	return file != nil && len(file.changes) > 0
}

func apply(names map[string]*inode, moves []move) {
	for _, m := range moves {
		if m.file == nil {
			delete(names, m.name)
		} else {
			names[m.name] = m.file
		}
	}
}

// syncNames makes the names in a directory durable. Called with mu held.
func (d *Disk) syncNames(dir string) {
	var here, elsewhere []move
	for _, m := range d.moves {
		if path.Dir(m.name) == dir {
			here = append(here, m)
		} else {
			elsewhere = append(elsewhere, m)
		}
	}
	apply(d.durable, here)
	d.moves = elsewhere
}
