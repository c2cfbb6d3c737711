package guests

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// Openers swap as fast as they can while members of a cluster die, come back and hand their
// leadership on. What they were told is what one cell would have told them.
func TestEtcdClusterIsOneCell(t *testing.T) {
	testservers.Need(t)
	const openers, members, rounds, least = 4, 3, 6, 100
	cluster := testservers.StartEtcdCluster(t, members)
	var params []string
	for _, m := range cluster {
		params = append(params, "allow", m.URL(), "endpoint", m.URL())
	}
	u := pluginURL(t, "etcd", append(params, "limit", "3s", "key", "cluster")...)
	h := newHistory()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range openers {
		r := mustOpen(t, u)
		wg.Go(func() { h.swapUntil(ctx, stop, i, r) })
	}
	for round := range rounds {
		disturb(t, cluster, round)
		h.await(t, ctx, least)
	}
	close(stop)
	wg.Wait()
	h.check(t, ctx, mustOpen(t, u))
}

// disturb has the leader of a cluster hand its leadership on, or die and come back.
func disturb(t *testing.T, cluster []*testservers.Server, round int) {
	t.Helper()
	at := leader(t, cluster)
	if round%2 == 0 {
		next := status(t, cluster[(at+1)%len(cluster)])
		if _, err := ask(cluster[at].URL()+"/v3/maintenance/transfer-leadership", map[string]any{"targetID": next.member}); err != nil {
			t.Logf("round %d: %v", round, err) // an election was going on already
		}
		return
	}
	cluster[at].Kill()
	leader(t, append(append([]*testservers.Server{}, cluster[:at]...), cluster[at+1:]...))
	if err := cluster[at].Run(); err != nil {
		t.Fatal(err)
	}
}

type memberStatus struct{ member, leader string }

func status(t *testing.T, m *testservers.Server) memberStatus {
	t.Helper()
	answer, err := ask(m.URL()+"/v3/maintenance/status", map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	header, _ := answer["header"].(map[string]any)
	id, _ := header["member_id"].(string)
	l, _ := answer["leader"].(string)
	return memberStatus{id, l}
}

// leader waits until one of some members leads, and returns which.
func leader(t *testing.T, members []*testservers.Server) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for i, m := range members {
			if s := status(t, m); s.member != "" && s.member == s.leader {
				return i
			}
		}
	}
	t.Fatal("no member of the cluster leads within 30s")
	return 0
}

// A history is what openers of one cell did, and were told. States are told from each other
// by their values, of which each is written by one swap.
type history struct {
	begun                                 time.Time
	swapped, conflicts, doubts, unreached atomic.Int64

	mu         sync.Mutex
	operations []porcupine.Operation // guarded by mu
	progress   chan struct{}         // gets a value when a swap took effect, if somebody waits
}

type asked struct{ from, to string } // to "": a read

type told struct {
	value string // of a read
	err   error  // of a swap
}

func newHistory() *history { return &history{begun: time.Now(), progress: make(chan struct{}, 1)} }

func (h *history) add(client int, call time.Time, in asked, out told) {
	end := time.Since(h.begun).Nanoseconds()
	if errors.Is(out.err, locking.ErrDoubt) {
		end = math.MaxInt64 // it may take effect at any time
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: in, Call: call.Sub(h.begun).Nanoseconds(), Output: out, Return: end})
}

// swapUntil reads and swaps. Each doubt is that of a client of its own, which asks nothing more.
func (h *history) swapUntil(ctx context.Context, stop chan struct{}, opener int, r locking.Register) {
	client := opener
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-stop:
			return
		default:
		}
		call := time.Now()
		value, version, err := r.Read(ctx)
		if err != nil {
			h.unreached.Add(1)
			continue
		}
		h.add(client, call, asked{}, told{value: string(value)})
		in := asked{string(value), fmt.Sprintf("%d of %d", n, opener)}
		call = time.Now()
		_, err = r.CompareAndSwap(ctx, version, []byte(in.to))
		switch {
		case err == nil:
			h.swapped.Add(1)
			select {
			case h.progress <- struct{}{}:
			default:
			}
		case errors.Is(err, locking.ErrDoubt):
			h.doubts.Add(1)
		case errors.Is(err, locking.ErrConflict):
			h.conflicts.Add(1)
		default: // it has changed nothing
			h.unreached.Add(1)
			continue
		}
		h.add(client, call, in, told{err: err})
		if errors.Is(err, locking.ErrDoubt) {
			client += 1000
		}
	}
}

// await waits until so many more swaps took effect.
func (h *history) await(t *testing.T, ctx context.Context, n int64) {
	t.Helper()
	for until := h.swapped.Load() + n; h.swapped.Load() < until; {
		select {
		case <-h.progress:
		case <-ctx.Done():
			t.Fatalf("%d swaps took effect, and no more", h.swapped.Load())
		}
	}
}

// cell is what the history is to be one of.
var cell = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		in, out := input.(asked), output.(told)
		switch {
		case in.to == "":
			return out.value == state, state
		case out.err == nil:
			return in.from == state, in.to
		case errors.Is(out.err, locking.ErrConflict):
			return in.from != state, state
		case in.from == state: // in doubt: it took effect, or it is as if it came later
			return true, in.to
		}
		return true, state
	},
}

func (h *history) check(t *testing.T, ctx context.Context, r locking.Register) {
	t.Helper()
	call := time.Now()
	value, _, err := r.Read(ctx)
	for err != nil && ctx.Err() == nil { // as long as nobody leads, for one
		call = time.Now()
		value, _, err = r.Read(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.add(-1, call, asked{}, told{value: string(value)})
	t.Logf("%d swaps took effect, %d were conflicts, %d in doubt; %d calls reached nobody", h.swapped.Load(), h.conflicts.Load(), h.doubts.Load(), h.unreached.Load())
	if got := porcupine.CheckOperationsTimeout(cell, h.operations, time.Minute); got != porcupine.Ok {
		t.Errorf("the history of %d operations is that of one cell: %v", len(h.operations), got)
	}
}
