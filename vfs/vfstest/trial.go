package vfstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/spf13/afero"
)

// A Trial runs a small bank on a [Disk] whose seed decides everything: what is
// transferred, at which operation the end comes, and what survives of it.
type Trial struct {
	// Start makes a VFS over files, as a newly started process would that finds nobody
	// else, and returns the name under which it is registered. After stop, the
	// process does nothing any more; what it has open stays as it is.
	Start func(files afero.Fs) (vfs string, stop func())

	Setup   string // SQL that each connection runs first, such as PRAGMA journal_mode
	Seed    uint64
	Missing int // how many of the last acknowledged commits a power cut may take away

	// Broken, if set, wraps the disk: a fault is planted there, to see it found.
	Broken func(afero.Fs) afero.Fs
	// Spared, if set, says that the end may not come at this operation.
	Spared func(disk *Disk, op Op) bool
}

// A Crash says how a [Trial] ends each of its processes.
type Crash int

const (
	// PowerCut: the machine loses what was not synced, or a part of it.
	PowerCut Crash = iota
	// Kill: the process dies and the machine lives on.
	Kill
)

// lives is how often a trial starts a process that comes to an end, before the last
// one does nothing but count. An end that comes early falls into a recovery.
const lives = 3

// errPowerCut is what all operations return after the end.
var errPowerCut = errors.New("vfstest: the power is off")

// Run ends process after process and returns what the last one found wrong.
func (t Trial) Run(how Crash) error {
	rng := rand.New(rand.NewPCG(t.Seed, 0))
	b := &bank{doubt: make(map[int64]bool)}
	disk := NewDisk()
	for life := range lives {
		end := 1 + rng.IntN(400)
		if rng.IntN(2) == 0 {
			end = 1 + rng.IntN(60)
		}
		var last Op
		off := false
		files := t.on(disk, func(op Op) error {
			if !off && (op.N < end || t.Spared != nil && t.Spared(disk, op)) {
				return nil
			}
			if !off && op.Kind == "write" {
				off, last = true, op
				return Short{rng.IntN(op.Size + 1), errPowerCut}
			}
			if !off {
				off, last = true, op
			}
			return errPowerCut
		})
		t.live(files, b, rng, func() bool { return off })
		if how == Kill {
			disk = disk.Kill()
		} else {
			disk = disk.PowerCut(rng)
		}
		if err := t.count(disk, b); err != nil {
			return fmt.Errorf("seed %d, process %d, ended at %v: %w", t.Seed, life+1, last, err)
		}
	}
	return nil
}

func (t Trial) on(disk *Disk, fault func(Op) error) afero.Fs {
	files := Faulty(disk, fault)
	if t.Broken != nil {
		files = t.Broken(files)
	}
	return files
}

// live is a process that works until the power is off.
func (t Trial) live(files afero.Fs, b *bank, rng *rand.Rand, off func() bool) {
	vfs, stop := t.Start(files)
	defer stop()
	for tries := 0; !off() && tries < 30; tries++ {
		conn, err := t.connect(vfs)
		if err != nil {
			continue // the power is off, or this is a disk that fails once
		}
		err = b.open(conn)
		for work := 0; err == nil && work < 20; work++ {
			err = b.work(conn, rng)
		}
		conn.Close()
	}
}

// count is a process that looks at a disk without faults. What it recovers is not
// kept, so that the next life recovers it once more.
func (t Trial) count(disk *Disk, b *bank) error {
	vfs, stop := t.Start(disk.Kill())
	defer stop()
	conn, err := t.connect(vfs)
	if err != nil {
		return err
	}
	defer conn.Close()
	return b.audit(conn, t.Missing)
}

func (t Trial) connect(vfs string) (*sqlite3.Conn, error) {
	conn, err := sqlite3.Open("file:/bank.db?vfs=" + vfs)
	if err != nil {
		return nil, err
	}
	if err := conn.Exec("PRAGMA cache_size=8; PRAGMA cache_spill=8;" + t.Setup); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// RunFaults lets the n-th operation of a process fail, once or until the process
// ends, with an error of a disk: an input or output error, or none left, in which
// case a write is done by half. The machine lives on.
func (t Trial) RunFaults() error {
	rng := rand.New(rand.NewPCG(t.Seed, 1))
	b := &bank{doubt: make(map[int64]bool)}
	disk := NewDisk()
	for range lives {
		first, done := 1+rng.IntN(300), 0
		length := 1
		if rng.IntN(2) == 0 {
			length = 1 + rng.IntN(20)
		}
		why := error(syscall.EIO)
		if rng.IntN(2) == 0 {
			why = syscall.ENOSPC
		}
		var last Op
		files := t.on(disk, func(op Op) error {
			done = op.N
			if op.N < first || op.N >= first+length {
				return nil
			}
			if why == syscall.ENOSPC && op.Kind != "write" && op.Kind != "create" {
				return nil // a full disk can still be read, and cleaned up
			}
			last = op
			if op.Kind == "write" && why == syscall.ENOSPC {
				return Short{rng.IntN(op.Size + 1), why}
			}
			return why
		})
		t.live(files, b, rng, func() bool { return done >= first+length+50 })
		disk = disk.Kill()
		if err := t.count(disk, b); err != nil {
			return fmt.Errorf("seed %d, %v from operation %d on, last %v: %w", t.Seed, why, first, last, err)
		}
	}
	return nil
}
