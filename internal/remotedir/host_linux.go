package remotedir

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/holdfastdb/holdfast/internal/fstype"
	"github.com/holdfastdb/holdfast/internal/pagecache"
)

// attribute is one that no file has. To ask for it asks for all of them.
const attribute = "user.holdfast"

// host is the kernel of this machine.
type host struct{}

func (host) drop(f afero.File) bool { return pagecache.Drop(f) }

func (host) device(f afero.File) (uint64, error) {
	file, ok := f.(*os.File)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	st, err := stat(int(file.Fd()), "", unix.AT_EMPTY_PATH)
	return device(st), err
}

func (host) deviceOf(path string) (uint64, error) {
	st, err := stat(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
	return device(st), err
}

// locate asks the server. Without /proc the options of the mount are not known.
func (host) locate(f afero.File) *place {
	file := f.(*os.File) // or it had no device
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(file.Fd()), &st); err != nil {
		return new(place)
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return &place{nfs: true}
	case unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		m, err := fstype.MountOf(file)
		return &place{smb: true, remembers: err != nil || !m.Has("nohandlecache")}
	}
	return new(place)
}

func (host) same(f afero.File, path string) bool {
	open, err := stat(int(f.(*os.File).Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return false
	}
	now, err := stat(unix.AT_FDCWD, path, 0)
	return err == nil && open.Ino == now.Ino && device(open) == device(now)
}

func (host) ask(path string) error {
	if _, err := unix.Lgetxattr(path, attribute, nil); err != nil && !errors.Is(err, unix.ENODATA) {
		return &fs.PathError{Op: "lgetxattr", Path: path, Err: err}
	}
	return nil
}

// stat finds a file as every system call finds it, but has its attributes not asked for.
func stat(dir int, path string, flags int) (*unix.Statx_t, error) {
	var st unix.Statx_t
	if err := unix.Statx(dir, path, flags|unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st); err != nil {
		return &st, &fs.PathError{Op: "statx", Path: path, Err: err}
	}
	return &st, nil
}

func device(st *unix.Statx_t) uint64 { return unix.Mkdev(st.Dev_major, st.Dev_minor) }
