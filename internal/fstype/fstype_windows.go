package fstype

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

func of(path string) (Type, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Type{}, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return Type{}, err
	}
	root, err := volumeRoot(path)
	if err != nil {
		return Type{}, err
	}
	name := volumeType(root)
	switch drive := windows.GetDriveType(root); drive {
	case windows.DRIVE_REMOTE:
		return Type{Name: name, Network: true}, nil
	case windows.DRIVE_FIXED, windows.DRIVE_REMOVABLE, windows.DRIVE_RAMDISK, windows.DRIVE_CDROM:
		// A share has its own drive type only if it has a letter.
		return Type{Name: name, Network: isShare(path)}, nil
	default:
		if isShare(path) {
			return Type{Name: name, Network: true}, nil
		}
		return Type{}, fmt.Errorf("drive type %d", drive)
	}
}

// volumeRoot returns where the volume of path is mounted: a drive, a share, or a
// directory.
func volumeRoot(path string) (*uint16, error) {
	from, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	root := make([]uint16, windows.MAX_LONG_PATH)
	return &root[0], windows.GetVolumePathName(from, &root[0], uint32(len(root)))
}

// volumeType returns a name such as "NTFS".
func volumeType(root *uint16) string {
	name := make([]uint16, windows.MAX_PATH+1)
	if err := windows.GetVolumeInformation(root, nil, 0, nil, nil, nil, &name[0], uint32(len(name))); err != nil {
		return "unknown"
	}
	return windows.UTF16ToString(name)
}

// isShare reports whether an absolute path names a share by its server.
func isShare(path string) bool {
	volume := filepath.VolumeName(path)
	if rest, ok := strings.CutPrefix(volume, `\\?\`); ok {
		return len(rest) >= 4 && strings.EqualFold(rest[:4], `UNC\`)
	}
	return strings.HasPrefix(volume, `\\`) && !strings.HasPrefix(volume, `\\.\`)
}
