package workload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// ErrGone: the worker ended, or what leads to it did.
var ErrGone = errors.New("workload: the worker is gone")

// A Client speaks to one worker. Its methods are safe for concurrent use.
type Client struct {
	name string
	in   io.Writer
	send chan []byte
	gone chan struct{} // closed when nothing will come any more
	stop chan struct{} // closed by Close
	once sync.Once
	all  sync.WaitGroup // the reader and the writer

	mu      sync.Mutex
	last    int64                // guarded by mu; ID
	waiting map[int64]chan Reply // guarded by mu
	events  []Event              // guarded by mu; that nobody took yet
	more    chan struct{}        // guarded by mu; closed and replaced when there is another event
	cause   error                // guarded by mu; why it is gone
}

// NewClient returns a client of the worker whose standard input and output are in and
// out. The name is for people.
func NewClient(name string, in io.Writer, out io.Reader) *Client {
	c := &Client{
		name: name, in: in,
		send: make(chan []byte), gone: make(chan struct{}), stop: make(chan struct{}),
		waiting: make(map[int64]chan Reply), more: make(chan struct{}),
	}
	c.all.Go(func() { c.listen(out) })
	c.all.Go(c.talk)
	return c
}

// String returns the client's name.
func (c *Client) String() string { return c.name }

// Do has a command obeyed. The error is [ErrGone], or the cause of ctx, when there was
// no answer: then the command may still be obeyed at any time, and an answer that comes
// late is dropped.
func (c *Client) Do(ctx context.Context, cmd Command) (Reply, error) {
	answer := make(chan Reply, 1)
	c.mu.Lock()
	c.last++
	cmd.ID = c.last
	c.waiting[cmd.ID] = answer
	c.mu.Unlock()
	defer c.forget(cmd.ID)
	line, err := json.Marshal(cmd)
	if err != nil {
		return Reply{}, err
	}
	select {
	case c.send <- append(line, '\n'):
	case <-c.gone:
		return Reply{}, c.lost(cmd)
	case <-ctx.Done():
		return Reply{}, c.late(ctx, cmd)
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return Reply{}, c.late(ctx, cmd)
	case <-c.gone:
	}
	select {
	case r := <-answer: // the last thing it said
		return r, nil
	default:
		return Reply{}, c.lost(cmd)
	}
}

// Must is Do for what has to succeed: its error is that of the reply as well, an
// [*Error].
func (c *Client) Must(ctx context.Context, cmd Command) (Reply, error) {
	r, err := c.Do(ctx, cmd)
	if err == nil {
		err = r.Error()
	}
	if err != nil {
		return r, fmt.Errorf("%s: %s %s: %w", c.name, cmd.Do, cmd.Conn, err)
	}
	return r, nil
}

// Await takes the first event that is wanted and that nobody took yet, and waits for
// it if need be.
func (c *Client) Await(ctx context.Context, wanted func(Event) bool) (Event, error) {
	for {
		c.mu.Lock()
		more := c.more
		i := slices.IndexFunc(c.events, wanted)
		if i >= 0 {
			e := c.events[i]
			c.events = slices.Delete(c.events, i, i+1)
			c.mu.Unlock()
			return e, nil
		}
		cause := c.cause
		c.mu.Unlock()
		if cause != nil {
			return Event{}, fmt.Errorf("%s: %w: %w", c.name, ErrGone, cause)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("%s: no such event: %w", c.name, context.Cause(ctx))
		}
	}
}

// Ready waits until the worker listens.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.Await(ctx, func(e Event) bool { return e.Event == EventReady })
	return err
}

// Trapped waits until a trap holds an operation.
func (c *Client) Trapped(ctx context.Context, id string) (Event, error) {
	return c.Await(ctx, func(e Event) bool { return e.Event == EventTrapped && e.Trap == id })
}

// Gone is closed when the worker will say no more.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Close tells the worker to end, if its input is an [io.Closer], and waits until it
// has said all, but not longer than ctx.
func (c *Client) Close(ctx context.Context) error {
	c.once.Do(func() { close(c.stop) })
	if closer, ok := c.in.(io.Closer); ok {
		closer.Close()
	}
	done := make(chan struct{})
	go func() {
		c.all.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: it does not end: %w", c.name, context.Cause(ctx))
	}
}

func (c *Client) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (c *Client) late(ctx context.Context, cmd Command) error {
	return fmt.Errorf("%s: %s %s: no answer: %w", c.name, cmd.Do, cmd.Conn, context.Cause(ctx))
}

func (c *Client) lost(cmd Command) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("%s: %s %s: %w: %w", c.name, cmd.Do, cmd.Conn, ErrGone, c.cause)
}

// talk writes the lines. A write to a machine that is paused may take as long as that.
func (c *Client) talk() {
	for {
		select {
		case line := <-c.send:
			if _, err := c.in.Write(line); err != nil {
				c.end(err)
				return
			}
		case <-c.gone:
			return
		case <-c.stop:
			return
		}
	}
}

// listen reads the lines, until their end.
func (c *Client) listen(out io.Reader) {
	in := bufio.NewReaderSize(out, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			c.end(err) // a line that its worker was killed over is no line
			return
		}
		if err := c.hear(line); err != nil {
			c.end(fmt.Errorf("%q: %w", line[:min(len(line), 200)], err))
			io.Copy(io.Discard, in)
			return
		}
	}
}

func (c *Client) hear(line []byte) error {
	var event Event
	var reply Reply
	err := json.Unmarshal(line, &event) // their fields of one name are of one type
	if err == nil && event.Event == "" {
		err = json.Unmarshal(line, &reply)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if event.Event != "" {
		c.events = append(c.events, event)
		c.wake()
	} else if answer := c.waiting[reply.ID]; answer != nil {
		delete(c.waiting, reply.ID)
		answer <- reply
	}
	return err
}

// end notes why the worker is gone. The first cause counts.
func (c *Client) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return
	}
	c.cause = cause
	close(c.gone)
	c.wake()
}

// wake is called with mu held, when those who wait for an event have to look.
func (c *Client) wake() {
	close(c.more)
	c.more = make(chan struct{})
}
