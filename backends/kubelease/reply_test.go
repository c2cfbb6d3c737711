package kubelease

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// Whatever the answer to a write, it is sent once, and what the swap returns is true.
func TestAnswersToASwap(t *testing.T) {
	type scene = func(t *testing.T, other *Register, base locking.Version) testservers.Exchange
	simply := func(do testservers.Exchange) scene {
		return func(*testing.T, *Register, locking.Version) testservers.Exchange { return do }
	}
	answer := func(status int) testservers.Exchange { return testservers.Answer(status, "says the wire") }
	refused := func(status int) scene { return simply(answer(status)) }
	for _, row := range []struct {
		name  string
		on    scene
		want  error // nil: it worked
		value string
	}{
		{"409 for its own success", simply(testservers.Twice(func() {})), nil, "mine"},
		{"409 for its own success, which was replaced", func(t *testing.T, other *Register, _ locking.Version) testservers.Exchange {
			return testservers.Twice(func() { mustSwap(t, other, checkValue(t, other, "mine"), "other") })
		}, locking.ErrDoubt, "other"},
		{"409 because another one was quicker", func(t *testing.T, other *Register, base locking.Version) testservers.Exchange {
			return testservers.After(func() { mustSwap(t, other, base, "other") }, testservers.Send)
		}, locking.ErrConflict, "other"},
		{"404 because it was deleted", func(t *testing.T, other *Register, _ locking.Version) testservers.Exchange {
			return testservers.After(func() { must(t, wipe(other)) }, testservers.Send)
		}, locking.ErrConflict, ""},
		{"lost", simply(testservers.LoseReply), locking.ErrDoubt, "mine"},
		{"500 though it took effect", simply(testservers.Then(func() {}, answer(http.StatusInternalServerError))), locking.ErrDoubt, "mine"},
		{"503", refused(http.StatusServiceUnavailable), locking.ErrDoubt, "base"},
		{"504", refused(http.StatusGatewayTimeout), locking.ErrDoubt, "base"},
		{"429", refused(http.StatusTooManyRequests), locking.ErrUnreachable, "base"},
		{"401", refused(http.StatusUnauthorized), locking.ErrUnreachable, "base"},
		{"422", refused(http.StatusUnprocessableEntity), nil, "base"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s, w := fakeRegister(t)
			other := register(t, s.config, testLease)
			base := mustSwap(t, r, locking.Unused, "base")
			do, sent := row.on(t, other, base), 0
			w.Next(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				sent++
				return do(req, send)
			})
			got, err := r.CompareAndSwap(t.Context(), base, []byte("mine"))
			present := checkValue(t, other, row.value)
			switch {
			case row.value != "mine" && err == nil:
				t.Errorf("swap = %q, but %q is there", got, row.value)
			case row.want == nil && row.value == "mine" && (err != nil || got != present):
				t.Errorf("swap = %q, %v; %q is there", got, err, present)
			case row.want != nil && !errors.Is(err, row.want):
				t.Errorf("swap = %v, want %v", err, row.want)
			case errors.Is(err, locking.ErrConflict) && errors.Is(err, locking.ErrDoubt):
				t.Errorf("swap = %v, which is both", err)
			case row.want == nil && (errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict)):
				t.Errorf("a refusal is no doubt and no conflict: %v", err)
			}
			if sent != 1 {
				t.Errorf("the register sent %d requests", sent)
			}
		})
	}
}

// A write that lands long after its sender gave up takes effect only if nobody was quicker,
// and never makes a deleted Lease anew.
func TestLateWrite(t *testing.T) {
	for name, row := range map[string]struct {
		meanwhile func(t *testing.T, other *Register, base locking.Version)
		want      string
	}{
		"nobody":  {func(*testing.T, *Register, locking.Version) {}, "late"},
		"others":  {func(t *testing.T, other *Register, base locking.Version) { mustSwap(t, other, base, "other") }, "other"},
		"deleted": {func(t *testing.T, other *Register, _ locking.Version) { must(t, wipe(other)) }, ""},
		"made anew": {func(t *testing.T, other *Register, _ locking.Version) {
			must(t, wipe(other))
			mustSwap(t, other, locking.Unused, "anew")
		}, "anew"},
	} {
		t.Run(name, func(t *testing.T) {
			r, s, w := fakeRegister(t)
			late(t, r, register(t, s.config, testLease), w, row.meanwhile, row.want)
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func late(t *testing.T, r, other *Register, w *testservers.Wire, meanwhile func(*testing.T, *Register, locking.Version), want string) {
	base := mustSwap(t, r, locking.Unused, "base")
	land := make(chan func() (*http.Response, error), 1)
	w.Next(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		land <- send
		<-req.Context().Done()
		return nil, req.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan error)
	go func() {
		_, err := r.CompareAndSwap(ctx, base, []byte("late"))
		told <- err
	}()
	send := <-land
	cancel()
	if err := <-told; err == nil || errors.Is(err, locking.ErrConflict) {
		t.Fatalf("a swap that was given up = %v", err)
	}
	meanwhile(t, other, base)
	resp, err := send()
	must(t, err)
	resp.Body.Close()
	checkValue(t, other, want)
}

// A server that took a PUT and says nothing leaves it in doubt when its time is up, and what
// it does later takes effect, or does not, as if it had been told.
func TestSilentServer(t *testing.T) {
	for _, others := range []bool{false, true} {
		r, s, _ := fakeRegister(t)
		base := mustSwap(t, r, locking.Unused, "base")
		hold := make(chan chan<- struct{}, 1)
		s.set(func() { s.hold = hold })
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error)
		go func() {
			_, err := r.CompareAndSwap(ctx, base, []byte("late"))
			told <- err
		}()
		release := <-hold
		cancel()
		if err := <-told; !errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict) {
			t.Errorf("a swap that the server took in silence = %v, want ErrDoubt", err)
		}
		want := "late"
		if others {
			mustSwap(t, r, base, "other")
			want = "other"
		}
		before := s.count("DONE")
		close(release)
		s.await("DONE", before+1)
		checkValue(t, r, want)
	}
}

// A read waits as long as the server asks it to, and no longer than its context lets it.
func TestReadWhileTheServerIsBusy(t *testing.T) {
	r, s, _ := fakeRegister(t)
	mustSwap(t, r, locking.Unused, "value")
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusInternalServerError} {
		s.set(func() { s.refuse = map[string]int{http.MethodGet: status} })
		_, _, err := r.Read(t.Context())
		checkLine(t, err, locking.ErrUnreachable, "says the server")
	}
	s.set(func() { s.refuse = map[string]int{http.MethodGet: http.StatusTooManyRequests} })
	before := s.count(http.MethodGet)
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan error)
	go func() {
		_, _, err := r.Read(ctx)
		told <- err
	}()
	s.await(http.MethodGet, before+1)
	cancel()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("a read that was given up = %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	s := newFakeServer(t)
	base := mustSwap(t, register(t, s.config, testLease), locking.Unused, "base")
	config := *s.config
	config.Host = "http://127.0.0.1:1"
	gone := register(t, &config, testLease)
	_, _, err := gone.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "connection refused")
	gone.latest.Store(&state{object: s.leases[testLease], writes: nil})
	if _, err := gone.put(t.Context(), gone.latest.Load(), s.leases[testLease]); !errors.Is(err, locking.ErrUnreachable) || errors.Is(err, locking.ErrDoubt) {
		t.Errorf("a PUT that nobody listens to = %v", err)
	}
	_, err = gone.CompareAndSwap(t.Context(), base, []byte("x"))
	checkLine(t, err, locking.ErrUnreachable, "connection refused")
}
