//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A subject is one database on one mount, and those who use it: a program on each
// client, with a few connections, that move money and write down that they did.
type subject struct {
	lab   *lab
	mount string
	who   string // holdfast or stock
	mode  string // of its journal
	traps bool   // its programs' file operations can be held

	without []string // guards that all its programs do without
	mb      int      // size of the filler

	dir     string // on the server, below the export
	history *workload.History
	driver  *workload.Driver
	load    context.Context // ends when the connections are to stop
	stop    context.CancelFunc
	procs   [2]*process // by client; nil while none runs
	hung    []string    // programs that could not open the database
	wrong   []string    // and what is wrong with it if they were told so
	logs    []string    // what programs said
}

// Connections of each program, and how they work.
const connections = 2

func (s *subject) String() string { return fmt.Sprintf("%s on %s, %s", s.who, s.mount, s.mode) }

// path is that of the database on the clients.
func (s *subject) path() string { return path.Join("/mnt", s.mount, s.dir, plainName) }

// open says how its programs open it.
func (s *subject) open() *workload.Open {
	if s.who == stock {
		return &workload.Open{Driver: workload.Mattn, Path: s.path(), Journal: s.mode, Synchronous: "full", Busy: opLimit}
	}
	return &workload.Open{
		Driver: workload.Holdfast, Path: s.path(), Journal: s.mode, Synchronous: "full", Busy: opLimit, TTL: s.lab.ttl,
		Traps: s.traps, Without: s.without, Params: s.lockParams(),
	}
}

// opLimit bounds an operation of a program, by its own clock: nobody may hang for longer
// for want of a lock. A call of the kernel that hangs with its mount is another matter.
const opLimit = 90 * time.Second

// begin creates the database.
func (s *subject) begin(ctx context.Context, seed uint64) (err error) {
	s.history = workload.NewHistory()
	s.driver = workload.NewDriver(s.history, workload.Mix{
		Seed: seed, Reads: 40, Deep: 10, Spill: 20, Think: time.Second, Limit: opLimit, Hang: hangBound,
	})
	s.load, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if s.procs[victim], err = s.lab.start(ctx, victim, s.who); err != nil {
		return err
	}
	return s.setUp(ctx, s.procs[victim])
}

// setUp has a program make the database, in a directory of its own. A host that is so busy
// that leases expire gets some more tries.
func (s *subject) setUp(ctx context.Context, p *process) (err error) {
	for range 3 {
		if s.dir, err = s.lab.directory(ctx); err != nil {
			return err
		}
		err = s.must(ctx, p, workload.Command{Do: workload.DoSetup, Conn: "setup of " + s.dir, MB: s.mb})
		if kindOf(err) != workload.KindLost {
			break
		}
	}
	return err
}

// hangBound is when an operation counts as not answered, by the host's clock: longer
// than the longest fault.
const hangBound = 330 * time.Second

// must has a program do something on a connection of its own.
func (s *subject) must(ctx context.Context, p *process, cmd workload.Command) error {
	_, err := s.ask(ctx, p, cmd)
	return err
}

// ask is must for who wants to know what came of it.
func (s *subject) ask(ctx context.Context, p *process, cmd workload.Command) (workload.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	if err := s.opened(ctx, p, cmd.Conn); err != nil {
		return workload.Reply{}, err
	}
	reply, err := p.Must(ctx, cmd)
	if err == nil {
		_, err = p.Must(ctx, workload.Command{Do: workload.DoClose, Conn: cmd.Conn})
	}
	if err != nil {
		err = fmt.Errorf("%v: %s on %v: %w", s, cmd.Do, p, err)
	}
	return reply, err
}

// join has the program on a client work, and starts it if none runs there.
func (s *subject) join(ctx context.Context, client int) (err error) {
	p := s.procs[client]
	if p == nil {
		if p, err = s.lab.start(ctx, client, s.who); err != nil {
			return err
		}
		s.procs[client] = p
	}
	return s.work(ctx, p, "c")
}

// work opens connections of a program and has them work. If it cannot open the database,
// the verdict says so.
func (s *subject) work(ctx context.Context, p *process, prefix string) error {
	within, cancel := context.WithTimeout(ctx, hangBound)
	defer cancel()
	for i := range connections {
		conn := fmt.Sprintf("%s%d", prefix, i+1)
		err := s.opened(within, p, conn)
		switch {
		case err == nil:
			s.driver.Start(s.load, p.Client, conn)
		case ctx.Err() != nil:
			return err
		case errors.Is(err, errHung):
			s.hung = append(s.hung, err.Error())
			return nil
		case errors.Is(err, errCorrupt):
			s.wrong = append(s.wrong, err.Error())
			return nil
		default:
			return err
		}
	}
	return nil
}

// opened opens a connection, and tries again as a program would that is told that the
// database is busy, or its lease lost.
func (s *subject) opened(ctx context.Context, p *process, conn string) error {
	return s.openedAs(ctx, p, conn, s.open())
}

// errCorrupt is that of a program that was told that the database is damaged.
var errCorrupt = errors.New("corrupt")

func (s *subject) openedAs(ctx context.Context, p *process, conn string, how *workload.Open) error {
	for {
		reply, err := p.Do(ctx, workload.Command{Do: workload.DoOpen, Conn: conn, Open: how})
		if err == nil {
			if err = reply.Error(); err == nil {
				return nil
			}
		}
		if ctx.Err() != nil {
			if reply.Outcome == "" {
				fmt.Fprintln(os.Stderr, p.where(context.WithoutCancel(ctx)))
			}
			return fmt.Errorf("%v: %w in opening it on %v: %w", s, errHung, p, err)
		}
		if reply.Kind == workload.KindCorrupt {
			return fmt.Errorf("%v: %w: open on %v: %w", s, errCorrupt, p, err)
		}
		if again := sleep(ctx, time.Second); again != nil || reply.Outcome == "" {
			return fmt.Errorf("%v: open on %v: %w", s, p, err)
		}
	}
}

// replace starts another program for one that was killed, as an orchestrator does.
func (s *subject) replace(ctx context.Context, client int) error {
	s.procs[client] = nil
	return s.join(ctx, client)
}

// end has everybody stop, and looks at what is there: by a program that comes anew, and
// by the stock sqlite3 on the server. It returns what is wrong.
func (s *subject) end(ctx context.Context) (wrong []string, err error) {
	s.stop()
	if err := s.driver.Wait(); err != nil {
		return nil, err
	}
	wrong = slices.Clone(s.wrong)
	for i, p := range s.procs {
		if p == nil {
			continue
		}
		s.procs[i] = nil
		s.logs = append(s.logs, fmt.Sprintf("%v says: %s", p, strings.TrimSpace(p.proc.Stderr())))
		if err := p.stop(ctx); err != nil && !errors.Is(err, workload.ErrGone) {
			wrong = append(wrong, fmt.Sprintf("program on %v did not end: %v", p, err))
		}
	}
	p, err := s.lab.start(ctx, other, s.who)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	reply, err := s.ask(ctx, p, workload.Command{Do: workload.DoAudit, Conn: "audit"})
	if err != nil {
		return append(wrong, err.Error()), nil
	}
	name, err := s.file(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := p.stop(ctx); err != nil {
		wrong = append(wrong, err.Error())
	}
	wrong = append(wrong, s.history.Check()...)
	wrong = append(wrong, s.history.Final(reply.Audit)...)
	told, err := s.bySQLite(ctx, name, reply.Audit)
	return append(wrong, told...), err
}

// bySQLite has the stock sqlite3 read what is the database now, on the server itself.
func (s *subject) bySQLite(ctx context.Context, name string, a *workload.Audit) (wrong []string, err error) {
	out, err := s.lab.server(ctx, fmt.Sprintf("sqlite3 -readonly '/srv/export/%s/%s' 'PRAGMA integrity_check; SELECT count(*) FROM ledger'", s.dir, name))
	if err != nil {
		return []string{err.Error()}, nil
	}
	if want := fmt.Sprintf("ok\n%d", len(a.Rows())); out != want {
		wrong = append(wrong, fmt.Sprintf("the stock sqlite3 reads %q, want %q", out, want))
	}
	return wrong, nil
}

// file returns the name of the file that is the database, as its lock says: the plain
// one, or the copy that a takeover made. Others may lie beside it.
func (s *subject) file(ctx context.Context, p *process) (string, error) {
	if s.who == stock {
		return plainName, nil
	}
	reply, err := s.ask(ctx, p, workload.Command{Do: workload.DoStatus, Conn: "status"})
	if err != nil {
		return "", err
	}
	return cmp.Or(reply.Status.File, plainName), nil
}

// kill kills everything that is left of it.
func (s *subject) kill() {
	s.stop()
	for _, p := range s.procs {
		if p != nil {
			p.kill()
		}
	}
}
