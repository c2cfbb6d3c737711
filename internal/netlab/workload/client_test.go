package workload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fake is a worker in this process. It answers as answer says, on the goroutine that
// reads; nil answers nothing.
type fake struct {
	*Client
	in  *io.PipeReader
	out *io.PipeWriter
	mu  sync.Mutex // held while it says something
}

func newFake(answer func(*fake, Command) *Reply) *fake {
	f := &fake{}
	var in *io.PipeWriter
	var out *io.PipeReader
	f.in, in = io.Pipe()
	out, f.out = io.Pipe()
	f.Client = NewClient("fake", in, out)
	go func() {
		lines := bufio.NewScanner(f.in)
		for lines.Scan() {
			var c Command
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				panic(err)
			}
			if r := answer(f, c); r != nil {
				r.ID = c.ID
				f.say(r)
			}
		}
		f.out.Close()
	}()
	return f
}

func (f *fake) say(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out.Write(append(line, '\n'))
}

func (f *fake) close(t *testing.T) {
	t.Helper()
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnswersFindTheirCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(f *fake, c Command) *Reply {
			go func() { // in any order
				time.Sleep(time.Duration(c.MB) * time.Second)
				f.say(Reply{ID: c.ID, Outcome: OK, Count: c.MB})
			}()
			return nil
		})
		defer f.close(t)
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				r, err := f.Must(t.Context(), Command{Do: DoFill, MB: 20 - n})
				if err != nil || r.Count != 20-n {
					t.Errorf("%d was answered by %d, %v", 20-n, r.Count, err)
				}
			})
		}
		all.Wait()
	})
}

func TestAnswerThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(f *fake, c Command) *Reply {
			time.Sleep(time.Duration(c.MB) * time.Second)
			return &Reply{Outcome: OK, Count: c.MB}
		})
		defer f.close(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Do(ctx, Command{MB: 5}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after a second: %v", err)
		}
		// While the worker still sleeps, nothing can even be sent.
		again, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Do(again, Command{MB: 1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after another: %v", err)
		}
		if r, err := f.Do(t.Context(), Command{MB: 2}); err != nil || r.Count != 2 {
			t.Errorf("then it was answered by %d, %v; want 2", r.Count, err)
		}
	})
}

func TestWorkerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(f *fake, c Command) *Reply {
			f.out.Close()
			return nil
		})
		waits := make(chan error)
		go func() {
			_, err := f.Trapped(t.Context(), "x")
			waits <- err
		}()
		for range 2 {
			if _, err := f.Do(t.Context(), Command{}); !errors.Is(err, ErrGone) {
				t.Errorf("Do: %v, want %v", err, ErrGone)
			}
		}
		if err := <-waits; !errors.Is(err, ErrGone) {
			t.Errorf("Trapped: %v, want %v", err, ErrGone)
		}
		f.close(t)
	})
}

func TestNonsenseEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(f *fake, c Command) *Reply {
			f.mu.Lock()
			defer f.mu.Unlock()
			fmt.Fprintln(f.out, "panic: something")
			return nil
		})
		if _, err := f.Do(t.Context(), Command{}); !errors.Is(err, ErrGone) {
			t.Errorf("Do: %v, want %v", err, ErrGone)
		}
		f.close(t)
	})
}

func TestEventsWaitForWhoeverWantsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(f *fake, c Command) *Reply { return nil })
		defer f.close(t)
		f.say(Event{Event: EventReady})
		f.say(Event{Event: EventTrapped, Trap: "a", Count: 1})
		f.say(Event{Event: EventTrapped, Trap: "b", Count: 2})
		for _, id := range []string{"b", "a"} {
			if e, err := f.Trapped(t.Context(), id); err != nil || e.Trap != id {
				t.Errorf("Trapped(%s) = %v, %v", id, e, err)
			}
		}
		if err := f.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Trapped(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an event was told twice: %v", err)
		}
	})
}

// A worker that does not end is not waited for longer than asked.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never, out := io.Pipe()
		c := NewClient("mute", nopCloser{}, never)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		out.Close()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

type nopCloser struct{}

func (nopCloser) Write(p []byte) (int, error) { return len(p), nil }
func (nopCloser) Close() error                { return nil }
