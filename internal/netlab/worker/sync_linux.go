package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is the sync that Holdfast does by itself.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
