package fstype

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxStack is how many file systems Linux lets lie on top of one another.
const maxStack = 2

func of(path string) (Type, error) { return ofLayer(path, maxStack) }

// ofLayer returns the type of a file system on which at most so many others lie
// that can have more under them.
func ofLayer(path string, stack int) (Type, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return Type{}, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return Type{}, err
	}
	m, err := MountOf(f)
	if err != nil {
		m = Mount{} // without /proc the number alone has to do
	}
	return classify(uint32(st.Type), m, func(path string) (Type, error) {
		if stack == 0 {
			return Type{}, errors.New("not what the mount means by this path, as it leads in a circle")
		}
		return ofLayer(path, stack-1)
	}), nil
}

// classify tells the type from the number that statfs gives, and from the mount.
// It asks of for what lies under an overlay.
func classify(magic uint32, m Mount, of func(path string) (Type, error)) Type {
	k, known := kinds[magic]
	t := Type{Name: m.Type, Network: k.reach == network}
	switch {
	case t.Name != "":
	case known:
		t.Name = k.name
	default:
		t.Name = fmt.Sprintf("unknown (0x%x)", magic)
	}
	switch k.reach {
	case userland:
		// The program behind it may fetch the bytes from anywhere, unless the kernel
		// gave it a block device to keep for itself.
		t.Network = m.Type != "fuseblk"
	case stacked:
		// What is written goes to the upper directory. In a container that is a path
		// of the host, which is not to be seen here: container engines keep it on
		// their own disk.
		if upper := m.Option("upperdir"); filepath.IsAbs(upper) {
			if under, err := of(upper); err == nil && under.Network {
				return Type{Name: t.Name + " over " + under.Name, Network: true}
			}
		}
	}
	return t
}
