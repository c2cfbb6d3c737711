package s3lease

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// Whatever the answer to a PUT, it is sent once, and what the swap returns is true.
func TestAnswersToASwap(t *testing.T) {
	type scene = func(t *testing.T, other *Register, base locking.Version) testservers.Exchange
	simply := func(do testservers.Exchange) scene {
		return func(*testing.T, *Register, locking.Version) testservers.Exchange { return do }
	}
	answer := func(status int, code string) testservers.Exchange {
		return testservers.Answer(status, "<Error><Code>"+code+"</Code><Message>says the wire</Message></Error>")
	}
	refused := func(status int, code string) scene { return simply(answer(status, code)) }
	conflict := answer(http.StatusConflict, "ConditionalRequestConflict")
	for _, row := range []struct {
		name    string
		on      scene
		want    error // nil: it worked
		value   string
		unheard bool // the store never heard of it
	}{
		{"412 for its own success", simply(testservers.Twice(func() {})), nil, "mine", false},
		{"412 for its own success, which was replaced", func(t *testing.T, other *Register, _ locking.Version) testservers.Exchange {
			return testservers.Twice(func() { mustSwap(t, other, checkValue(t, other, "mine"), "other") })
		}, locking.ErrDoubt, "other", false},
		{"412 because another one was quicker", func(t *testing.T, other *Register, base locking.Version) testservers.Exchange {
			return testservers.After(func() { mustSwap(t, other, base, "other") }, testservers.Send)
		}, locking.ErrConflict, "other", false},
		{"404 because it was deleted", func(t *testing.T, other *Register, _ locking.Version) testservers.Exchange {
			return testservers.After(func() { wipe(t, other) }, testservers.Send)
		}, locking.ErrConflict, "", false},
		{"409, and nothing changed", simply(conflict), locking.ErrDoubt, "base", true},
		{"409, and another one was quicker", func(t *testing.T, other *Register, base locking.Version) testservers.Exchange {
			return testservers.After(func() { mustSwap(t, other, base, "other") }, conflict)
		}, locking.ErrConflict, "other", true},
		{"409 for its own success", simply(testservers.Then(func() {}, conflict)), nil, "mine", false},
		{"503", refused(http.StatusServiceUnavailable, "SlowDown"), locking.ErrDoubt, "base", true},
		{"500 though it took effect", simply(testservers.Then(func() {}, answer(http.StatusInternalServerError, "InternalError"))), locking.ErrDoubt, "mine", false},
		{"lost", simply(testservers.LoseReply), locking.ErrDoubt, "mine", false},
		{"403", refused(http.StatusForbidden, "AccessDenied"), errForbidden, "base", true},
		{"400 since the body did not arrive", refused(http.StatusBadRequest, "RequestTimeout"), locking.ErrUnreachable, "base", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s, w := fakeRegister(t)
			base := mustSwap(t, r, locking.Unused, "base")
			before := s.count("PUT", testKey)
			do := row.on(t, New(client(s.url, "id", "secret", nil), testBucket, testKey), base)
			sent := 0
			w.Next(func(req *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				sent++
				return do(req, send)
			})
			got, err := r.CompareAndSwap(t.Context(), base, []byte("mine"))
			present := checkValue(t, r, row.value)
			switch {
			case row.want == nil && (err != nil || got != present):
				t.Errorf("swap = %q, %v; %q is there", got, err, present)
			case row.want != nil && !errors.Is(err, row.want):
				t.Errorf("swap = %v, want %v", err, row.want)
			case errors.Is(err, locking.ErrConflict) && errors.Is(err, locking.ErrDoubt):
				t.Errorf("swap = %v, which is both", err)
			}
			if n := s.count("PUT", testKey) - before; sent != 1 || row.unheard && n > 1 {
				t.Errorf("the register sent %d PUTs, the store got %d", sent, n)
			}
		})
	}
}

// A PUT that lands long after its sender gave up takes effect only if nobody was quicker.
func TestLatePut(t *testing.T) {
	for _, others := range []bool{false, true} {
		r, s, w := fakeRegister(t)
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
		if err := <-told; errors.Is(err, locking.ErrConflict) || err == nil {
			t.Fatalf("a swap that was given up = %v", err)
		}
		other := New(client(s.url, "id", "secret", nil), testBucket, testKey)
		want := "late"
		if others {
			mustSwap(t, other, base, "other")
			want = "other"
		}
		resp, err := send()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		checkValue(t, other, want)
	}
}

// A store that took a PUT and says nothing leaves it in doubt when its time is up, and what
// it does later takes effect, or does not, as if it had been told.
func TestSilentStore(t *testing.T) {
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
			t.Errorf("a swap that the store took in silence = %v, want ErrDoubt", err)
		}
		want := "late"
		if others {
			mustSwap(t, r, base, "other")
			want = "other"
		}
		before := s.count("DONE", testKey)
		close(release)
		s.await("DONE", testKey, before+1)
		checkValue(t, r, want)
	}
}

// A GET is asked again until the store is ready, and no longer than its context lets it.
func TestReadWhileTheStoreIsBusy(t *testing.T) {
	r, s, _ := fakeRegister(t)
	mustSwap(t, r, locking.Unused, "value")
	before := s.count("GET", testKey)
	s.set(func() { s.lie = lie{refuse: "SlowDown", status: http.StatusServiceUnavailable} })
	_, _, err := r.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "SlowDown", "exceeded maximum number of attempts, 3")
	if n := s.count("GET", testKey) - before; n != 3 {
		t.Errorf("%d GETs, want 3", n)
	}
}

// A store that nobody runs is told from one that took the request and fell silent.
func TestNobodyListens(t *testing.T) {
	s, w := newFakeStore(t), newWire()
	c := client(s.url, "id", "secret", w)
	r := New(c, testBucket, testKey)
	base := mustSwap(t, r, locking.Unused, "base")
	gone := New(client("http://127.0.0.1:1", "id", "secret", nil), testBucket, testKey)
	gone.source.client = client("http://127.0.0.1:1", "id", "secret", nil)
	_, err := gone.put(t.Context(), testKey, onlyOver("x"), nil)
	if !errors.Is(err, locking.ErrUnreachable) || errors.Is(err, locking.ErrDoubt) {
		t.Errorf("a PUT that nobody listens to = %v", err)
	}
	_, err = gone.CompareAndSwap(t.Context(), base, []byte("x"))
	checkLine(t, err, locking.ErrUnreachable, "connection refused")
	_, _, err = gone.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "connection refused")
}
