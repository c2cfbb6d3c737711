package fence

import "time"

// A pace says how much is copied before it is made durable. What a kernel holds back for
// a server it sends all at once, and whatever else it is asked for waits behind that: if
// that is the renewal of the lease, the copier loses the database in the middle of the
// copy, and so does the next one. So no more is held back than takes a moment.
//
// The zero pace begins slowly.
type pace struct {
	portion int64     // bytes
	done    int64     // of that
	began   time.Time // this portion
}

const (
	leastPortion = 1 << 20
	mostPortion  = 64 << 20
	moment       = 500 * time.Millisecond
)

// left returns how many bytes are to be copied at once at most.
func (p *pace) left() int64 {
	if p.portion == 0 {
		p.portion, p.began = leastPortion, time.Now()
	}
	return p.portion - p.done
}

// advance is told that bytes were copied. It has them made durable when it is time.
func (p *pace) advance(n int64, sync func() error) error {
	if n < p.left() {
		p.done += n
		return nil
	}
	if err := sync(); err != nil {
		return err
	}
	switch took := time.Since(p.began); {
	case took > moment:
		p.portion = max(p.portion/2, leastPortion)
	case took < moment/2:
		p.portion = min(2*p.portion, mostPortion)
	}
	p.done, p.began = 0, time.Now()
	return nil
}
