//go:build !race

package vfs

const slow = 1
