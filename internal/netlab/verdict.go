//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

// A verdict is what became of one database in one round.
type verdict struct {
	subject *subject
	fault   fault
	wrong   []string // what is wrong with the data
	acked   int      // appends that were acknowledged
	unknown int      // and those whose outcome is not known
	reads   int
	waited  time.Duration // the longest operation of those that the fault did not happen to
	gap     time.Duration // from the fault to the first commit of the other client
	hung    []string      // who waited for longer than bound, or could not come back
	alone   bool          // it hung beside other mounts, and this is what came of it alone
}

// bound is how long somebody may wait whom the fault did not happen to: for the lease to
// expire, and for the server to give up an unreachable client. SMB servers wait 35 s for
// one to give back what it may cache.
func (f fault) bound(ttl time.Duration) time.Duration {
	if f.all {
		return ttl + 90*time.Second
	}
	return ttl + 45*time.Second
}

func judge(s *subject, f fault, wrong []string, mark time.Duration) verdict {
	sum := s.history.Summary()
	v := verdict{
		subject: s, fault: f, wrong: wrong, hung: slices.Clone(s.hung),
		acked: sum.Counts["append ok"], unknown: sum.Counts["append unknown"], reads: sum.Counts["read ok"],
	}
	onOther := func(client string) bool { return strings.HasPrefix(client, s.lab.cluster.Clients[other].Name()) }
	if first := s.history.First(mark, workload.Appending, onOther); first != nil {
		v.gap = first.Return - mark
	}
	for _, o := range s.history.Operations() {
		if !f.all && !onOther(o.Client) {
			continue
		}
		took := o.Return - o.Call
		if o.Return == workload.Never || o.Hung {
			v.hung = append(v.hung, o.String())
			continue
		}
		v.waited = max(v.waited, took)
		if took > f.bound(s.lab.ttl) {
			v.hung = append(v.hung, fmt.Sprintf("%v took %v", o, took.Round(time.Second)))
		}
	}
	return v
}

// playAlone has each subject that only hung beside others meet the fault once more, alone:
// a host that is too slow for all mounts at once may have made it wait. Damage stands as it
// is, and so does what hung alone.
func playAlone(verdicts []verdict, play func(*subject) (verdict, error)) error {
	if len(verdicts) == 1 {
		return nil
	}
	for i, v := range verdicts {
		if s := v.subject; s.who == holdfast && len(v.hung) > 0 && len(v.wrong) == 0 {
			again, err := play(&subject{lab: s.lab, mount: s.mount, who: s.who, mode: s.mode})
			if err != nil {
				return err
			}
			again.alone = true
			verdicts[i] = again
		}
	}
	return nil
}

// cell is what the table says.
func (v verdict) cell() string {
	if v.alone {
		return "hung; alone: " + v.outcome()
	}
	return v.outcome()
}

func (v verdict) outcome() string {
	switch what := v.damage(); {
	case what != "":
		return what
	case len(v.hung) > 0:
		return "hung"
	case v.acked == 0:
		return "no commits"
	}
	return fmt.Sprintf("ok %d, %.0fs", v.acked, v.waited.Seconds())
}

// amiss is all that should not be.
func (v verdict) amiss() []string { return append(slices.Clone(v.wrong), v.hung...) }

// damage names what is wrong with the data, in the order of how bad it is.
func (v verdict) damage() string {
	lost, all := 0, strings.Join(v.wrong, "\n")
	for _, w := range v.wrong {
		if strings.HasPrefix(w, "lost row:") {
			lost++
		}
		if n, _ := fmt.Sscanf(w, "lost rows: %d", &lost); n == 1 {
			break
		}
	}
	switch {
	case len(v.wrong) == 0:
		return ""
	case strings.Contains(all, "malformed") || strings.Contains(all, "corrupt") || strings.Contains(all, "wrong # of entries") ||
		strings.Contains(all, "missing from index") || strings.Contains(all, "out of order") || strings.Contains(all, "not a database"):
		if lost > 0 {
			return fmt.Sprintf("CORRUPT, LOST %d", lost)
		}
		return "CORRUPT"
	case strings.Contains(all, "wrong total"):
		return fmt.Sprintf("WRONG TOTAL, LOST %d", lost)
	case lost > 0:
		return fmt.Sprintf("LOST %d", lost)
	case strings.Contains(all, "by the ledger"):
		return "TORN"
	case strings.Contains(all, "stale read"):
		return "STALE READ"
	}
	return "WRONG"
}
