package main

import (
	"fmt"
	"time"
)

const (
	handOvers = 100
	deaths    = 9
	waitAhead = 200 * time.Millisecond // how long the survivor has waited when the other one dies
)

// A pair is two processes with one database.
type pair struct {
	name string
	maker
	path  string
	peers [2]*peer
	times []float64 // nanoseconds
}

func pairs() []*pair {
	return []*pair{
		{name: "go-sqlite3", maker: stock},
		{name: "flock", maker: kernel},
		{name: "lease file", maker: sticky},
		{name: "lease file, poll=10ms", maker: maker{"holdfast", "lock=leasefile&poll=10ms"}},
		{name: "lease file, sticky=off", maker: unsticky},
	}
}

// twoProcesses measures how long a commit takes when another process was the last
// to use the database, or was killed while it wrote.
func (b *bench) twoProcesses() error {
	if err := b.pairTable("commit after one of the other process", handOvers, b.handOver); err != nil {
		return err
	}
	return b.pairTable("kill -9 of a writer, to the commit of one that waits", deaths, b.death)
}

// pairTable measures all pairs in turns. The ratio is that of the medians, since
// one hand-over has nothing to do with the next.
func (b *bench) pairTable(what string, rounds int, measure func(p *pair, round int) (time.Duration, error)) error {
	all := pairs()
	for _, p := range all {
		defer p.close()
		if err := b.start(p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for round := range rounds {
		for _, p := range all {
			took, err := measure(p, round)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			p.times = append(p.times, float64(took.Nanoseconds()))
		}
	}
	t := b.newTable(what, "median", "ratio", "99 in 100", "min to max")
	for _, p := range all {
		t.row(p.name, nanoseconds(median(p.times)), fmt.Sprintf("**%.2f**", median(p.times)/median(all[0].times)),
			nanoseconds(quantile(p.times, 0.99)),
			nanoseconds(quantile(p.times, 0))+" to "+nanoseconds(quantile(p.times, 1)))
	}
	return nil
}

// start makes the database of a pair, and starts both.
func (b *bench) start(p *pair) error {
	dir, err := b.place()
	if err != nil {
		return err
	}
	p.path = dir + "/app.db"
	db, err := p.open(p.path, "")
	if err != nil {
		return err
	}
	if err := fill(b.ctx, db, 1); err != nil {
		db.Close()
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	for i := range p.peers {
		if p.peers[i], err = b.newPeer(p.maker, p.path); err != nil {
			return err
		}
		if _, err = p.peers[i].do(doCommit); err != nil {
			return err
		}
	}
	return nil
}

func (p *pair) close() {
	for _, peer := range p.peers {
		if peer != nil {
			peer.close()
		}
	}
}

// handOver has the one commit that did not do so last.
func (b *bench) handOver(p *pair, round int) (time.Duration, error) {
	return p.peers[round%2].do(doCommit)
}

// death kills one in mid-transaction while the other one waits to commit, and puts
// another in its place.
func (b *bench) death(p *pair, round int) (time.Duration, error) {
	dies, lives := round%2, (round+1)%2
	if _, err := p.peers[dies].do(doHold); err != nil {
		return 0, err
	}
	committed := make(chan error, 1)
	go func() {
		_, err := p.peers[lives].do(doCommit)
		committed <- err
	}()
	if err := b.wait(waitAhead); err != nil {
		return 0, err
	}
	killed := time.Now()
	if err := p.peers[dies].kill(); err != nil {
		return 0, err
	}
	err := <-committed
	took := time.Since(killed)
	if err != nil {
		return 0, err
	}
	p.peers[dies].close()
	p.peers[dies], err = b.newPeer(p.maker, p.path)
	return took, err
}
