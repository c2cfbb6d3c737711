package vfs

import sqlitevfs "github.com/ncruces/go-sqlite3/vfs"

// newMapper allows memory mapping under the kernel's locks. Over a lease there is
// none: a mapping would outlive a change by another host.
func newMapper(d *database, flags sqlitevfs.OpenFlag) sqlitevfs.MemoryMapper {
	if h, ok := d.body.Load().current().(hostFile); ok && !d.leased {
		return sqlitevfs.NewMemoryMapper(h.File, flags)
	}
	return nil
}

// MemoryMapper is for go-sqlite3. It returns nil where mapping is not allowed.
func (f *File) MemoryMapper() sqlitevfs.MemoryMapper { return f.mmap }
