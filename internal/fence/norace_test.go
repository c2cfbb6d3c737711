//go:build !race

package fence

const slow = 1
