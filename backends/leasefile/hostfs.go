package leasefile

import (
	"io/fs"

	"github.com/holdfastdb/holdfast/internal/undelegated"
	"github.com/spf13/afero"
)

// hostFs is the file system of the operating system. The value that a client read last
// is removed by the next swap of another one, which must not have to wait for a client
// that is gone.
type hostFs struct{ afero.OsFs }

func (hostFs) OpenFile(name string, flag int, perm fs.FileMode) (afero.File, error) {
	f, err := undelegated.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}
