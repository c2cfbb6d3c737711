package locking

import "time"

// handOverSwaps is how many swaps of the register a hand-over takes the time of: one to
// ask, one to step down, one to come in, and as long again for the looks between them
// and for opening the database anew.
const handOverSwaps = 6

// longestTurn bounds how long others wait for a busy holder.
const longestTurn = time.Second

// handOver returns how long a hand-over takes here.
func (c *Coordinator) handOver() time.Duration { return c.lasting(handOverSwaps) }

// leastTurn returns how long a holder goes on that is busy when others ask: twice as
// long as it takes to hand over, so that of two that are always busy no more than a
// third of the time goes into that, unless the storage is so slow that they would wait
// for too long.
func (c *Coordinator) leastTurn() time.Duration { return c.lasting(2 * handOverSwaps) }

// lasting returns how long so many swaps take, at least as long as it takes to notice
// one.
func (c *Coordinator) lasting(swaps int64) time.Duration {
	takes := time.Duration(swaps * c.swapTakes.Load())
	return max(c.opts.Poll, min(takes, longestTurn, c.opts.Renew))
}

// timed notes how long a swap took. One that was slow for once counts little.
func (c *Coordinator) timed(took time.Duration) {
	was := time.Duration(c.swapTakes.Load())
	if was == 0 {
		was = took
	}
	c.swapTakes.Store(int64(was + (took-was)/4))
}

// pause returns how long nothing was locked here when a holder is not busy: others need
// not wait for the end of its turn.
func (c *Coordinator) pause() time.Duration { return c.opts.Poll / 10 }

// A yielded says for whom a process stepped down.
type yielded struct {
	to Entry // as it waited; zero if nobody did
	at instant
}

// yields reports whether somebody for whom this process stepped down has not come in
// yet. Until then it asks for nothing: it would be there before, each time.
func (k *keeper) yields() bool {
	y := &k.yielded
	if y.to.Holder.ID == "" {
		return false
	}
	e := k.known.record.Find(y.to.Holder.ID)
	if e == nil || !e.Waits() || e.Level != y.to.Level || y.at.monotonic() > 2*k.c.handOver() {
		*y = yielded{}
		return false
	}
	return true
}
