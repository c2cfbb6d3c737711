package vfs

import (
	"iter"

	"github.com/ncruces/go-sqlite3"
	sqlitevfs "github.com/ncruces/go-sqlite3/vfs"
)

// FileOf returns the [File] behind a schema of conn: "main", or the name of an
// attached database. It returns nil if there is none, or another VFS has it.
func FileOf(conn *sqlite3.Conn, schema string) *File {
	file, err := conn.FileControl(schema, sqlite3.FCNTL_FILE_POINTER)
	if err != nil {
		return nil
	}
	f, _ := file.(sqlitevfs.File)
	return unwrap(f)
}

// Files yields the [File] of each database of conn that this package has open.
func Files(conn *sqlite3.Conn) iter.Seq[*File] {
	return func(yield func(*File) bool) {
		for n := 0; ; n++ {
			schema := conn.DBName(n)
			if schema == "" {
				return
			}
			if f := FileOf(conn, schema); f != nil && !yield(f) {
				return
			}
		}
	}
}

// unwrap finds the File below those that go-sqlite3 wraps around a main database.
func unwrap(file sqlitevfs.File) *File {
	for {
		switch f := file.(type) {
		case *File:
			return f
		case sqlitevfs.FileUnwrap:
			file = f.Unwrap()
		default:
			return nil
		}
	}
}
