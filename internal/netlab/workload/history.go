package workload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Kinds of an [Operation].
const (
	Appending = "append"
	Reading   = "read"
)

// Never is when an operation returned that did not.
const Never = time.Duration(1<<63 - 1)

// An Operation is one append or read, as the host saw it.
type Operation struct {
	Client  string // with its connection
	Kind    string // [Appending] or [Reading]
	Row     Row    // of an append
	Saw     Ledger // of a read
	Total   int64  // of a read
	Outcome string // of a read: [OK] or [Failed]
	Why     string // kind of the error, such as [KindBusy]
	Err     string

	Call, Return time.Duration // since the history began, by the host's clock
	Took         time.Duration // by the worker's clock; 0: it did not say
	Hung         bool          // there was no answer in time, though the worker was not gone
}

func (o *Operation) String() string {
	end := "never"
	if o.Return != Never {
		end = seconds(o.Return)
	}
	what := o.Kind
	switch {
	case o.Kind == Appending:
		what = fmt.Sprintf("append of %v", o.Row)
	case o.Outcome == OK:
		what = fmt.Sprintf("read of %d rows", o.Saw.Len())
	}
	text := fmt.Sprintf("%s by %s from %s to %s", what, o.Client, seconds(o.Call), end)
	if o.Outcome != OK {
		text += fmt.Sprintf(", %s (%s)", o.Outcome, o.Why)
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

// A History is what was done to one database. It is safe for concurrent use.
type History struct {
	began time.Time

	mu       sync.Mutex
	ops      []*Operation // guarded by mu; in order of their calls
	problems []string     // guarded by mu; that reads told of
	writers  int          // guarded by mu
}

// NewHistory returns an empty history that begins now.
func NewHistory() *History { return &History{began: time.Now()} }

// Now returns the time since the history began: that of its operations.
func (h *History) Now() time.Duration { return time.Since(h.began) }

// Writer returns a name for the rows of one writer, which it gives to nobody else.
func (h *History) Writer() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writers++
	return fmt.Sprintf("w%d", h.writers)
}

// Append has a connection append, and notes what came of it. Without an answer before
// ctx ends, that is unknown.
func (h *History) Append(ctx context.Context, c *Client, conn string, limit time.Duration, a Append) Operation {
	o := h.call(&Operation{Client: c.name + "." + conn, Kind: Appending, Row: Row{a.Writer, a.N}})
	return h.finish(ctx, o, c, Command{Do: DoAppend, Conn: conn, Limit: limit, Append: &a})
}

// Read has a connection read, and notes what it saw.
func (h *History) Read(ctx context.Context, c *Client, conn string, limit time.Duration, r Read) Operation {
	o := h.call(&Operation{Client: c.name + "." + conn, Kind: Reading})
	return h.finish(ctx, o, c, Command{Do: DoRead, Conn: conn, Limit: limit, Read: &r})
}

// call notes that an operation begins. As long as nothing else is known of it, it is
// one that nobody heard of again.
func (h *History) call(o *Operation) *Operation {
	o.Outcome, o.Why, o.Return = unheard(o.Kind), KindNoAnswer, Never
	h.mu.Lock()
	defer h.mu.Unlock()
	o.Call = h.Now()
	h.ops = append(h.ops, o)
	return o
}

func unheard(kind string) string {
	if kind == Appending {
		return Unknown
	}
	return Failed
}

func (h *History) finish(ctx context.Context, o *Operation, c *Client, cmd Command) Operation {
	reply, err := c.Do(ctx, cmd)
	now := h.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		o.Err, o.Hung = err.Error(), !errors.Is(err, ErrGone)
		return *o
	}
	o.Return, o.Took, o.Outcome, o.Why, o.Err = now, reply.Took, reply.Outcome, reply.Kind, reply.Err
	if o.Kind == Reading && reply.Outcome != OK {
		o.Outcome = Failed
	}
	if v := reply.Read; v != nil {
		o.Saw, o.Total = v.Ledger, v.Total
		for _, p := range v.Problems {
			h.problems = append(h.problems, fmt.Sprintf("%v: %s", o, p))
		}
	}
	return *o
}

// Operations returns what was done by now, in order of the calls.
func (h *History) Operations() []*Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*Operation, len(h.ops))
	for i, o := range h.ops {
		at := *o
		all[i] = &at
	}
	return all
}

// First returns the operation of that kind that succeeded and returned first from a
// time on, among those of clients that are asked for; nil if there is none. A client
// is named with its connection, as in "b.2".
func (h *History) First(from time.Duration, kind string, by func(client string) bool) (first *Operation) {
	for _, o := range h.Operations() {
		fits := o.Kind == kind && o.Outcome == OK && o.Return >= from && by(o.Client)
		if fits && (first == nil || o.Return < first.Return) {
			first = o
		}
	}
	return first
}

// A Summary counts operations.
type Summary struct {
	Counts  map[string]int // by kind and outcome, as in "append ok"
	Errors  map[string]int // by kind of the error
	Longest *Operation     // of those that returned; nil if none did
	Hung    []*Operation   // see [Operation]
}

// Summary counts the operations.
func (h *History) Summary() Summary {
	s := Summary{Counts: make(map[string]int), Errors: make(map[string]int)}
	for _, o := range h.Operations() {
		s.Counts[o.Kind+" "+o.Outcome]++
		if o.Outcome != OK {
			s.Errors[o.Why]++
		}
		switch {
		case o.Return != Never:
			if s.Longest == nil || o.Return-o.Call > s.Longest.Return-s.Longest.Call {
				s.Longest = o
			}
		case o.Hung:
			s.Hung = append(s.Hung, o)
		}
	}
	return s
}

// LongestWait returns how long the longest operation took that returned.
func (s Summary) LongestWait() time.Duration {
	if s.Longest == nil {
		return 0
	}
	return s.Longest.Return - s.Longest.Call
}
