//go:build linux

package machine

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/image"
)

// Config says what to boot.
type Config struct {
	Dir     string // for the disk, the sockets and the consoles' files; of this cluster alone
	Image   image.Image
	Clients int   // how many clients; 1 to [image.MaxClients]
	Disk    int64 // the size in bytes of the exported file system; 64 MiB to 8 GiB, default 1 GiB

	// How long the NFS 4 server waits for a silent client, and for clients to come back after a crash. 10 s to an hour, whole
	// seconds; default 15 s each. The kernel's own default is 90 s.
	NFSLease, NFSGrace time.Duration

	// Host has the clients reach servers on this host's loopback, at [HostAddress].
	Host bool

	// Accel is "kvm" or "tcg". By default it is kvm if that works on this host, else tcg; what was found is kept in the cache.
	Accel string

	// Log is told what is going on; by default nobody is.
	Log func(string)
}

// HostAddress is what clients reach this host's loopback by, if they do.
const HostAddress = "10.78.0.1"

// What a client is in the network that it has with the host, alone.
const hostNetwork, addressThere = "10.78.0.0/24", "10.78.0.15/24"

// withDefaults fills in what is not set, and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no directory")
	}
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return c, err
	}
	if c.Disk == 0 {
		c.Disk = 1 << 30
	}
	if c.NFSLease == 0 {
		c.NFSLease = 15 * time.Second
	}
	if c.NFSGrace == 0 {
		c.NFSGrace = 15 * time.Second
	}
	if c.Log == nil {
		c.Log = func(string) {}
	}
	return c, c.check()
}

func (c Config) check() error {
	if c.Clients < 1 || c.Clients > image.MaxClients {
		return fmt.Errorf("%d clients: want 1 to %d", c.Clients, image.MaxClients)
	}
	if c.Disk < 64<<20 || c.Disk > 8<<30 {
		return fmt.Errorf("a disk of %d bytes: want 64 MiB to 8 GiB", c.Disk)
	}
	for _, d := range []time.Duration{c.NFSLease, c.NFSGrace} {
		if d < 10*time.Second || d > time.Hour || d%time.Second != 0 { // the bounds are those of the kernel's nfsd
			return fmt.Errorf("an NFS lease or grace period of %s: want 10 s to 1 h in whole seconds", d)
		}
	}
	if c.Accel != "" && c.Accel != "kvm" && c.Accel != "tcg" {
		return fmt.Errorf("acceleration %q: want kvm or tcg", c.Accel)
	}
	return nil
}
