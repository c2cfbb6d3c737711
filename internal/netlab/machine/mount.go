//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/image"
)

const (
	mountBound = time.Minute // for all attempts; mount.nfs alone tries for two minutes
	// The first SMB connections to a server that has just booted, on a host that is very busy, were seen to be closed by it
	// ("Server abruptly closed the connection"), and the next ones not. That is not what the lab is about.
	mountAttempts = 3
)

// A Mount is one way to reach the server's directory.
type Mount struct {
	Name    string // it is mounted at /mnt/NAME
	Kind    string // nfs or cifs
	Source  string
	Options string // separated by commas
}

// Dir is where the mount is in a machine.
func (m Mount) Dir() string { return "/mnt/" + m.Name }

// Mounts are the ways that are tried. All show the same directory. NFS mounts are hard and SMB mounts soft, the defaults of both. Two
// SMB mounts of one machine would share a connection, and with it what is cached, if they were not told to have each its own.
var Mounts = []Mount{
	{"nfs3", "nfs", image.ServerAddress + ":/srv/export", "vers=3"},
	{"nfs40", "nfs", image.ServerAddress + ":/", "vers=4.0"},
	{"nfs42", "nfs", image.ServerAddress + ":/", "vers=4.2"},
	{"smb", "cifs", "//" + image.ServerAddress + "/share", smbOptions},
	{"smb-nolease", "cifs", "//" + image.ServerAddress + "/share", smbOptions + ",nolease"},
	{"smb-nobrl", "cifs", "//" + image.ServerAddress + "/share", smbOptions + ",nobrl"},
	{"smb-none", "cifs", "//" + image.ServerAddress + "/share", smbOptions + ",cache=none"},
}

const smbOptions = "username=root,password=pw,vers=3.1.1,nosharesock"

// MountNamed returns the mount of that name from [Mounts].
func MountNamed(name string) (Mount, error) {
	i := slices.IndexFunc(Mounts, func(m Mount) bool { return m.Name == name })
	if i < 0 {
		var names []string
		for _, m := range Mounts {
			names = append(names, m.Name)
		}
		return Mount{}, fmt.Errorf("machine: no mount %q: there are %q", name, names)
	}
	return Mounts[i], nil
}

// Mount mounts the server's directory on a client. It comes back after Off and On, and after Reset.
func (m *Machine) Mount(ctx context.Context, mnt Mount) error {
	give, err := m.take(ctx)
	if err != nil {
		return m.wrap(err)
	}
	defer give()
	if err := m.mount(ctx, mnt); err != nil {
		return m.wrap(err)
	}
	m.mounts = append(m.mounts, mnt)
	return nil
}

func (m *Machine) mount(ctx context.Context, mnt Mount) error {
	ctx, cancel := context.WithTimeout(ctx, mountBound)
	defer cancel()
	if err := m.do(ctx, "mkdir", "-p", mnt.Dir()); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := m.do(ctx, "mount."+mnt.Kind, mnt.Source, mnt.Dir(), "-o", mnt.Options)
		if err == nil || attempt == mountAttempts || ctx.Err() != nil || errors.Is(err, ErrGone) {
			return err
		}
		m.c.config.Log(fmt.Sprintf("%s: %v; trying again", m.name, err))
	}
}

// Unmount undoes Mount. It fails while a process uses the mount.
func (m *Machine) Unmount(ctx context.Context, mnt Mount) error {
	give, err := m.take(ctx)
	if err != nil {
		return m.wrap(err)
	}
	defer give()
	ctx, cancel := context.WithTimeout(ctx, mountBound)
	defer cancel()
	if err := m.do(ctx, "umount", mnt.Dir()); err != nil {
		return m.wrap(err)
	}
	m.mounts = slices.DeleteFunc(m.mounts, func(o Mount) bool { return o.Name == mnt.Name })
	return nil
}
