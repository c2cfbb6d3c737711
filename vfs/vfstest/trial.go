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
		end := t.endOn(disk, rng)
		t.live(t.on(disk, end.fault), b, rng, func() bool { return end.came })
		if how == Kill {
			disk = disk.Kill()
		} else {
			disk = disk.PowerCut(rng)
		}
		if err := t.count(disk, b); err != nil {
			return fmt.Errorf("seed %d, process %d, ended at %v: %w", t.Seed, life+1, end.at, err)
		}
	}
	return nil
}

// An end lets all operations of a process pass up to one, and none from there on.
type end struct {
	first  int // operation at which it may come
	spared func(Op) bool
	rng    *rand.Rand

	came bool
	at   Op
}

// endOn draws an end: early, in a recovery, as often as late.
func (t Trial) endOn(disk *Disk, rng *rand.Rand) *end {
	e := &end{first: 1 + rng.IntN(400), rng: rng, spared: func(Op) bool { return false }}
	if rng.IntN(2) == 0 {
		e.first = 1 + rng.IntN(60)
	}
	if t.Spared != nil {
		e.spared = func(op Op) bool { return t.Spared(disk, op) }
	}
	return e
}

func (e *end) fault(op Op) error {
	if e.came {
		return errPowerCut
	}
	if op.N < e.first || e.spared(op) {
		return nil
	}
	e.came, e.at = true, op
	if op.Kind == "write" {
		return Short{e.rng.IntN(op.Size + 1), errPowerCut} // as much as was on its way
	}
	return errPowerCut
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

// RunFaults lets a run of operations of each process fail, from one operation to
// many, with an error of a disk: of input or output, or none left, in which case a
// write is done by half. The machine lives on.
func (t Trial) RunFaults() error {
	rng := rand.New(rand.NewPCG(t.Seed, 1))
	b := &bank{doubt: make(map[int64]bool)}
	disk := NewDisk()
	for range lives {
		fit := drawFit(rng)
		t.live(t.on(disk, fit.fault), b, rng, func() bool { return fit.now > fit.last+50 })
		disk = disk.Kill()
		if err := t.count(disk, b); err != nil {
			return fmt.Errorf("seed %d, %v from operation %d, last at %v: %w", t.Seed, fit.why, fit.first, fit.hit, err)
		}
	}
	return nil
}

// A fit is a time in which a disk fails.
type fit struct {
	first, last int // operations
	why         error
	rng         *rand.Rand

	now int
	hit Op
}

func drawFit(rng *rand.Rand) *fit {
	f := &fit{first: 1 + rng.IntN(300), why: syscall.EIO, rng: rng}
	f.last = f.first
	if rng.IntN(2) == 0 {
		f.last += rng.IntN(20)
	}
	if rng.IntN(2) == 0 {
		f.why = syscall.ENOSPC
	}
	return f
}

func (f *fit) fault(op Op) error {
	f.now = op.N
	if op.N < f.first || op.N > f.last {
		return nil
	}
	full := f.why == syscall.ENOSPC
	if full && op.Kind != "write" && op.Kind != "create" {
		return nil // a full disk can still be read, and cleaned up
	}
	f.hit = op
	if full && op.Kind == "write" {
		return Short{f.rng.IntN(op.Size + 1), f.why}
	}
	return f.why
}
