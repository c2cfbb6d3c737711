package leasefile

// sweepEvery is how many swaps lie between two that look for values that were
// left by processes that were killed. The others remove just what they replaced.
const sweepEvery = 64

// collect removes values that can never be the present one again. What cannot be
// removed now, such as a file that somebody reads on Windows, the next sweep gets.
func (r *Register) collect(prev, next state) {
	_ = r.fs.Remove(r.path(prev.value()))
	if next.number%sweepEvery == 0 {
		r.sweep()
	}
	if next.number == sweepEvery {
		// A creator may have been killed after the one that won had cleaned up.
		r.removeLeftovers()
	}
}

// sweep removes all values that are not ahead of the token: their swaps have no
// source any more. It goes by the token that it sees beside them, and not by the
// swap that called it: the register may have been removed and begun anew.
func (r *Register) sweep() {
	l, err := r.list()
	if err != nil || l.check() != nil {
		return
	}
	present := l.state()
	for _, v := range l.values {
		if v.number <= present.number && v != present {
			_ = r.fs.Remove(r.path(v.value()))
		}
	}
}
