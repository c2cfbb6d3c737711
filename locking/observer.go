package locking

import "time"

// An observer tells which holders have expired: those whose heartbeat it has
// seen stand still for their TTL, on its own clock, by fresh reads. Timestamps in
// the record play no part.
type observer struct {
	seen map[string]sighting
}

// A sighting is when a heartbeat was first seen.
type sighting struct {
	beat uint64
	at   instant
	ttl  time.Duration
}

// observe notes what a view shows. It returns the holders that have expired,
// with the reason for each. Observing the same view again tells of processes
// that were proven dead since.
func (o *observer) observe(v *view, self string) map[string]string {
	seen := make(map[string]sighting, len(v.record.Entries))
	var expired map[string]string
	for i := range v.record.Entries {
		e := &v.record.Entries[i]
		if e.Holder.ID == self {
			continue
		}
		s, known := o.seen[e.Holder.ID]
		if !known || s.beat != e.Beat {
			// Not before now: the beat may be as young as this very read.
			s = sighting{beat: e.Beat, at: now(), ttl: time.Duration(e.TTL) * time.Millisecond}
		}
		seen[e.Holder.ID] = s
		why := ""
		if silent := v.began.since(s.at); silent >= s.ttl {
			why = "silent for " + silent.Round(time.Millisecond).String()
		} else if e.Holder.Dead() {
			why = "its process is gone from this host"
		}
		if why != "" {
			if expired == nil {
				expired = make(map[string]string)
			}
			expired[e.Holder.ID] = why
		}
	}
	o.seen = seen
	return expired
}

// next returns how long it takes until a holder could be found expired.
func (o *observer) next() time.Duration {
	next := never
	for _, s := range o.seen {
		next = min(next, s.ttl-s.at.monotonic())
	}
	return max(0, next)
}

// silence returns for how long a holder has given no sign of life, and how long it may;
// zeros if it was not seen.
func (o *observer) silence(id string) (silent, ttl time.Duration) {
	s, known := o.seen[id]
	if !known {
		return 0, 0
	}
	return s.at.monotonic(), s.ttl
}
