//go:build !linux

package undelegated

import (
	"io/fs"
	"os"
)

// OpenFile is [os.OpenFile]: here there is no way to say that a delegation is not wanted.
func OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
