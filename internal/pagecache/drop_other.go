//go:build !linux

package pagecache

// Drop drops what the kernel holds of an open file or directory, where it can be
// asked to.
func Drop(any) {}
