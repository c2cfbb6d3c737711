package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is what go-sqlite3 syncs with.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
