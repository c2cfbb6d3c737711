package locking

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Record{
		Format: RecordFormat,
		Serial: 41,
		Epoch:  7,
		Entries: []Entry{
			{Holder: Holder{ID: "a1", Host: "node-a", PID: 12, Pod: "web-0"}, Level: Reserved, Beat: 40, TTL: 15000, Since: at, Renewed: at},
			{Holder: Holder{ID: "b2", Host: "node-b", PID: 1}, Level: Shared, Wants: Exclusive, Beat: 41, TTL: 15000, Since: at, Renewed: at},
		},
	}
}

func TestRecordSurvivesEncoding(t *testing.T) {
	want := sample()
	value, err := want.Encode()
	must(t, err)
	got, err := DecodeRecord(value)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record changed (-want +got):\n%s", diff)
	}
	empty, err := DecodeRecord(nil)
	must(t, err)
	if diff := cmp.Diff(Record{Format: RecordFormat}, empty); diff != "" {
		t.Errorf("record of an unused register (-want +got):\n%s", diff)
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	value, err := func() ([]byte, error) { r := sample(); return r.Encode() }()
	must(t, err)
	good := string(value)
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ value, says string }{
		"truncated":              {good[:len(good)/2], "truncated"},
		"newer":                  {change(`"holdfast": 1`, `"holdfast": 2`), "newer holdfast"},
		"format zero":            {change(`"holdfast": 1`, `"holdfast": 0`), "does not exist"},
		"not ours":               {`{"holderIdentity": "x"}`, "not written by holdfast"},
		"not JSON":               {"app.db is locked by bob", "not written by holdfast"},
		"unknown field":          {change(`"epoch": 7`, `"epoch": 7, "colour": 1`), "unknown field"},
		"unknown level":          {change(`"RESERVED"`, `"reserved"`), "not a level"},
		"negative epoch":         {change(`"epoch": 7`, `"epoch": -7`), "epoch"},
		"zeros":                  {strings.Repeat("\x00", len(good)), "run holdfast adopt"},
		"name of elsewhere":      {change(`"file": ""`, `"database": "a\\b.db", "file": ""`), "backslash"},
		"something behind":       {good + "{}", "not written by holdfast"},
		"two writers":            {change(`"SHARED"`, `"RESERVED"`), "exclude each other"},
		"reader beside the only": {change(`"RESERVED"`, `"EXCLUSIVE"`), "exclude each other"},
		"same holder twice":      {change(`"b2"`, `"a1"`), "in twice"},
		"holder without id":      {change(`"b2"`, `""`), "no id"},
		"no ttl":                 {change(`"ttl_ms": 15000`, `"ttl_ms": 0`), "no ttl"},
		"file elsewhere":         {change(`"file": ""`, `"file": "../x.db"`), "is not a copy of the database"},
		"too large":              {strings.Repeat(" ", MaxRecord) + good, "more than"},
	} {
		_, err := DecodeRecord([]byte(c.value))
		if !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want ErrRecord that says %q", name, err, c.says)
		}
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := sample()
	for i := range 1000 {
		e := r.Entries[1]
		e.Holder.ID = strings.Repeat("x", 1+i)
		r.Entries = append(r.Entries, e)
	}
	if _, err := r.Encode(); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("encode of a thousand processes = %v, want an error", err)
	}
}

// FuzzDecodeRecord checks that whatever is decoded is valid, survives encoding,
// and can be stepped from without breaking anything.
func FuzzDecodeRecord(f *testing.F) {
	r := sample()
	value, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{"holdfast":1}`))
	f.Add([]byte(`{"holdfast":2}`))
	f.Add(value[:100])
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := DecodeRecord(value)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Fatalf("%v is not ErrRecord", err)
			}
			return
		}
		again, err := r.Encode()
		if err != nil {
			return // may be too large once indented
		}
		back, err := DecodeRecord(again)
		if err != nil {
			t.Fatalf("encoded %s\nwhich is refused: %v", again, err)
		}
		for level := None; level <= Exclusive; level++ {
			next, _ := back.Step(Request{Holder: Holder{ID: "fuzz"}, Level: level, TTL: time.Second})
			if err := next.validate(); err != nil && level != Pending {
				t.Fatalf("step to %v from %s: %v", level, again, err)
			}
		}
	})
}
