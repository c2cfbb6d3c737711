package locking

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A script of steps of one record, each with what it has to look like afterwards.
type fenceStep struct {
	name    string
	who     string
	level   Level
	expired string
	nonce   string
	fence   Fencing // Database, ID and Nonce are filled in
	open    bool    // the holder does not keep to the fence
	want    Level
	then    fenceFacts
}

// fenceFacts is what a fenced record says of files.
type fenceFacts struct {
	File, By, To string
	Takeover     bool
	Old          []string
	Removing     string // ID of who may be at work on the plain name; "nobody" if none may say that it is done
}

func factsOf(r *Record) fenceFacts {
	f := fenceFacts{File: r.File, Old: r.Old}
	if len(f.Old) == 0 {
		f.Old = nil
	}
	if t := r.Takeover; t != nil {
		f.Takeover, f.By, f.To = true, t.By, t.To
	}
	if r.Removing != nil {
		if f.Removing = r.Removing.ID; f.Removing == "" {
			f.Removing = "nobody"
		}
	}
	return f
}

func TestFenceSteps(t *testing.T) {
	const one, two, three = "app.db@2-00000001", "app.db@3-00000002", "app.db@2-00000003"
	evict := []fenceStep{
		{name: "a writes", who: "a", level: Exclusive, want: Exclusive},
		{name: "b evicts it", who: "b", level: Exclusive, expired: "a", nonce: "00000001", want: Exclusive,
			then: fenceFacts{Takeover: true, By: "b", To: one}},
	}
	publish := append(evict[:len(evict):len(evict)],
		fenceStep{name: "b is done", who: "b", level: Exclusive, fence: Fencing{Done: one}, want: Exclusive,
			then: fenceFacts{File: one, Removing: "b"}})
	removed := append(publish[:len(publish):len(publish)],
		fenceStep{name: "b removed the plain name", who: "b", level: Exclusive, fence: Fencing{Removed: []string{"app.db"}}, want: Exclusive,
			then: fenceFacts{File: one}})
	settling := append(removed[:len(removed):len(removed)],
		fenceStep{name: "b settles", who: "b", level: Exclusive, fence: Fencing{Settle: true}, want: Exclusive,
			then: fenceFacts{File: one, Takeover: true, By: "b", To: "app.db"}})

	for _, tt := range []struct {
		name  string
		after []fenceStep
		steps []fenceStep
	}{
		{"an evicted reader leaves no takeover", nil, []fenceStep{
			{name: "a reads", who: "a", level: Shared, want: Shared},
			{name: "b evicts it", who: "b", level: Exclusive, expired: "a", want: Exclusive},
		}},
		{"an evicted RESERVED leaves one", nil, []fenceStep{
			{name: "a reads", who: "a", level: Shared, want: Shared},
			{name: "b reads", who: "b", level: Shared, want: Shared},
			{name: "a means to write", who: "a", level: Reserved, want: Reserved},
			{name: "b reads on", who: "b", level: Shared, expired: "a", want: Shared, then: fenceFacts{Takeover: true}},
			{name: "c waits for it", who: "c", level: Shared, nonce: "00000001", want: None, then: fenceFacts{Takeover: true}},
			{name: "b leaves", who: "b", level: None, want: None, then: fenceFacts{Takeover: true}},
			{name: "c is let in alone", who: "c", level: Shared, nonce: "00000003", want: Exclusive,
				then: fenceFacts{Takeover: true, By: "c", To: "app.db@2-00000003"}},
		}},
		{"nobody else comes in before it is copied", evict, []fenceStep{
			{name: "c would read", who: "c", level: Shared, want: None, then: fenceFacts{Takeover: true, By: "b", To: one}},
		}},
		{"a heartbeat copies on", evict, []fenceStep{
			{name: "b is alive", who: "b", level: Exclusive, nonce: "00000009", fence: Fencing{Copied: 1, Total: 2}, want: Exclusive,
				then: fenceFacts{Takeover: true, By: "b", To: one}},
		}},
		{"who copies stays alone until it is done", evict, []fenceStep{
			{name: "b would read", who: "b", level: Shared, want: Exclusive, then: fenceFacts{Takeover: true, By: "b", To: one}},
			{name: "b is done and reads", who: "b", level: Shared, fence: Fencing{Done: one}, want: Exclusive,
				then: fenceFacts{File: one, Removing: "b"}},
			{name: "b reads", who: "b", level: Shared, want: Shared, then: fenceFacts{File: one, Removing: "nobody"}},
		}},
		{"a spoilt copy gets another name, once", evict, []fenceStep{
			{name: "spoilt", who: "b", level: Exclusive, nonce: "00000003", fence: Fencing{Spoilt: one}, want: Exclusive,
				then: fenceFacts{Takeover: true, By: "b", To: three, Old: []string{one}}},
			{name: "said again", who: "b", level: Exclusive, nonce: "00000004", fence: Fencing{Spoilt: one}, want: Exclusive,
				then: fenceFacts{Takeover: true, By: "b", To: three, Old: []string{one}}},
			{name: "the spoilt one is not published", who: "b", level: Exclusive, fence: Fencing{Done: one}, want: Exclusive,
				then: fenceFacts{Takeover: true, By: "b", To: three, Old: []string{one}}},
		}},
		{"who gives up a copy leaves the takeover to the next", evict, []fenceStep{
			{name: "b leaves", who: "b", level: None, want: None, then: fenceFacts{Takeover: true, Old: []string{one}}},
			{name: "c is let in", who: "c", level: Shared, nonce: "00000002", want: Exclusive,
				then: fenceFacts{Takeover: true, By: "c", To: two, Old: []string{one}}},
		}},
		{"a copy that is gone when it is given up is not named", evict, []fenceStep{
			{name: "b leaves", who: "b", level: None, fence: Fencing{Removed: []string{one}}, want: None, then: fenceFacts{Takeover: true}},
		}},
		{"nor is a spoilt one", evict, []fenceStep{
			{name: "spoilt", who: "b", level: Exclusive, nonce: "00000003", fence: Fencing{Spoilt: one, Removed: []string{one}}, want: Exclusive,
				then: fenceFacts{Takeover: true, By: "b", To: three}},
		}},
		{"an evicted copier cannot publish", evict, []fenceStep{
			{name: "c evicts it", who: "c", level: Exclusive, expired: "b", nonce: "00000002", want: Exclusive,
				then: fenceFacts{Takeover: true, By: "c", To: two, Old: []string{one}}},
			{name: "b is done, late", who: "b", level: Exclusive, fence: Fencing{Done: one}, want: None,
				then: fenceFacts{Takeover: true, By: "c", To: two, Old: []string{one}}},
		}},
		{"an old copy is removed", publish, []fenceStep{
			{name: "b is evicted", who: "c", level: Exclusive, expired: "b", nonce: "00000002", want: Exclusive,
				then: fenceFacts{File: one, Takeover: true, By: "c", To: two, Removing: "b"}},
			{name: "c is done", who: "c", level: Exclusive, fence: Fencing{Done: two}, want: Exclusive,
				then: fenceFacts{File: two, Old: []string{one}, Removing: "b"}},
			{name: "c removed all", who: "c", level: Exclusive, fence: Fencing{Removed: []string{one, "app.db"}}, want: Exclusive,
				then: fenceFacts{File: two, Removing: "b"}},
		}},
		{"who stepped down does not know who else removes the plain name", publish, []fenceStep{
			{name: "b leaves", who: "b", level: None, want: None, then: fenceFacts{File: one, Removing: "nobody"}},
			{name: "b comes back", who: "b", level: Exclusive, want: Exclusive, then: fenceFacts{File: one, Removing: "nobody"}},
			{name: "b says it is gone", who: "b", level: Exclusive, fence: Fencing{Removed: []string{"app.db"}}, want: Exclusive,
				then: fenceFacts{File: one, Removing: "nobody"}},
			{name: "b cannot settle", who: "b", level: Exclusive, fence: Fencing{Settle: true}, want: Exclusive,
				then: fenceFacts{File: one, Removing: "nobody"}},
			{name: "unless by force", who: "b", level: Exclusive, fence: Fencing{Settle: true, Force: true}, want: Exclusive,
				then: fenceFacts{File: one, Takeover: true, By: "b", To: "app.db"}},
		}},
		{"the plain name is removed in the step that leaves", publish, []fenceStep{
			{name: "b leaves", who: "b", level: None, fence: Fencing{Removed: []string{"app.db"}}, want: None, then: fenceFacts{File: one}},
		}},
		{"settled", settling, []fenceStep{
			{name: "done", who: "b", level: Exclusive, fence: Fencing{Done: "app.db"}, want: Exclusive, then: fenceFacts{Old: []string{one}}},
		}},
		{"not settled, and nothing was wrong with the file", settling, []fenceStep{
			{name: "spoilt", who: "b", level: Exclusive, fence: Fencing{Spoilt: "app.db"}, want: Exclusive, then: fenceFacts{File: one}},
		}},
		{"who is evicted while it settles may still be at work on the plain name", settling, []fenceStep{
			{name: "c evicts it", who: "c", level: Exclusive, expired: "b", nonce: "00000002", want: Exclusive,
				then: fenceFacts{File: one, Takeover: true, By: "c", To: two, Removing: "b"}},
		}},
		{"a record that is not fenced has no takeover", nil, []fenceStep{
			{name: "a writes", who: "a", level: Exclusive, open: true, want: Exclusive},
			{name: "b evicts it", who: "b", level: Exclusive, expired: "a", open: true, want: Exclusive},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Record{Format: RecordFormat}
			for _, s := range append(tt.after[:len(tt.after):len(tt.after)], tt.steps...) {
				before := r
				r = takeFenceStep(t, r, s)
				if r.Epoch < before.Epoch {
					t.Errorf("%s: the epoch fell from %d to %d", s.name, before.Epoch, r.Epoch)
				}
			}
		})
	}
}

func takeFenceStep(t *testing.T, r Record, s fenceStep) Record {
	t.Helper()
	req := Request{Holder: Holder{ID: s.who}, Level: s.level, TTL: time.Second}
	if s.expired != "" {
		req.Expired = []string{s.expired}
	}
	if !s.open {
		f := s.fence
		f.Database, f.ID, f.Nonce = "app.db", "register", s.nonce
		req.Fence = &f
	}
	was := r.clone()
	next, answer := r.Step(req)
	if diff := cmp.Diff(was, r); diff != "" {
		t.Errorf("%s: the step changed what it began from (-want +got):\n%s", s.name, diff)
	}
	if answer.Level != s.want {
		t.Errorf("%s: got %v, want %v", s.name, answer.Level, s.want)
	}
	if diff := cmp.Diff(s.then, factsOf(&next)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", s.name, diff)
	}
	if err := next.validate(); err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
	if next.Fence != (req.Fence != nil) {
		t.Errorf("%s: the record says fence %v", s.name, next.Fence)
	}
	return next
}
