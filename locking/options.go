package locking

import (
	"fmt"
	"log/slog"
	"time"
)

// MinTTL is the shortest TTL that is accepted.
const MinTTL = 500 * time.Millisecond

// Options tunes a [Coordinator]. The zero value is the documented default.
type Options struct {
	TTL     time.Duration // how long a silent holder keeps its lease; default 15s, at least MinTTL
	Renew   time.Duration // time between renewals; default TTL/3, at most TTL/2
	Guard   time.Duration // how long before the TTL a holder stops by itself; default TTL/10, at most TTL/4
	Poll    time.Duration // how often the register is looked at for those who ask, and by those who wait; default 100ms, at most Renew
	Idle    time.Duration // how long an unused level is kept; default TTL; negative: not at all
	Timeout time.Duration // bound on one register operation and on Close; default TTL/3
	Storage Storage       // where the database lies; nil: no fence, and the grade is lease
	Log     *slog.Logger  // where losses and evictions are told; default slog.Default()
}

// Effective returns the options with the defaults filled in. It fails if they do
// not fit together.
func (o Options) Effective() (Options, error) { return o.withDefaults() }

func (o Options) withDefaults() (Options, error) {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&o.TTL, 15*time.Second)
	set(&o.Renew, o.TTL/3)
	set(&o.Guard, o.TTL/10)
	set(&o.Poll, min(100*time.Millisecond, o.Renew))
	set(&o.Idle, o.TTL)
	set(&o.Timeout, o.TTL/3)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	switch {
	case o.TTL < MinTTL:
		return o, fmt.Errorf("locking: ttl %v is too short: use %v or more", o.TTL, MinTTL)
	case o.Renew <= 0 || o.Renew > o.TTL/2:
		return o, fmt.Errorf("locking: renew %v does not fit ttl %v: use more than 0 and at most half the ttl", o.Renew, o.TTL)
	case o.Guard < 0 || o.Guard > o.TTL/4:
		return o, fmt.Errorf("locking: guard %v does not fit ttl %v: use at most a quarter of the ttl", o.Guard, o.TTL)
	case o.Poll <= 0 || o.Poll > o.Renew:
		return o, fmt.Errorf("locking: poll %v does not fit renew %v: use more than 0 and at most the renewal interval", o.Poll, o.Renew)
	case o.Timeout <= 0:
		return o, fmt.Errorf("locking: timeout %v must be positive", o.Timeout)
	}
	return o, nil
}
