package leasefile

import (
	"os"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"
)

// forget has the kernel drop what it knows of the directory's content. An NFS client
// keeps a listing for as long as the directory's change attribute stands still,
// which on NFS 3 is a time stamp with the grain of the server's clock tick: of two
// changes within one, the second is not seen until the next.
func forget(d afero.File) {
	if f, ok := d.(*os.File); ok {
		// Where it does not apply it fails, and nothing needs to be forgotten.
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
}
