package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// childArg makes this program a child of itself: a driver and a data source name
// follow.
const childArg = "child"

// What a child does, one line each.
const (
	doCommit = "commit" // commits a row and tells how long that took
	doHold   = "hold"   // begins a transaction, writes a row and stays in it
	doPeak   = "peak"   // tells the most memory in bytes that it ever had resident
)

// child obeys the lines of in until it ends.
func child(ctx context.Context, driver, dsn string, in io.Reader, out io.Writer) error {
	db, err := openDatabase(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if lines.Text() == doPeak {
			bytes, err := peak()
			if err != nil {
				return err
			}
			fmt.Fprintln(out, bytes)
			continue
		}
		query := insertRow
		if lines.Text() == doHold {
			query = "BEGIN IMMEDIATE; " + insertRow
		}
		start := time.Now()
		if _, err := db.ExecContext(ctx, query); err != nil {
			return err
		}
		fmt.Fprintln(out, time.Since(start).Nanoseconds())
	}
	return lines.Err()
}

// A peer is a child seen from outside.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// newPeer starts a child on a database that has its table.
func (b *bench) newPeer(m maker, path string) (*peer, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, program, childArg, m.driver, m.dsn(path, journalFull))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &peer{cmd, in, bufio.NewScanner(out)}, cmd.Start()
}

// do has the child do something and returns how long it says that took.
func (p *peer) do(what string) (time.Duration, error) {
	ns, err := p.ask(what)
	return time.Duration(ns), err
}

// ask has the child do something and returns the number that it says.
func (p *peer) ask(what string) (int64, error) {
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		return 0, err
	}
	if !p.out.Scan() {
		return 0, fmt.Errorf("the child ended: %w", p.close())
	}
	return strconv.ParseInt(p.out.Text(), 10, 64)
}

// close lets the child end by itself.
func (p *peer) close() error {
	p.in.Close()
	return p.cmd.Wait()
}

// kill ends the child as a crash does.
func (p *peer) kill() error { return p.cmd.Process.Kill() }
