package remotedir

// An oracle decides what happens next, each time the test runs in another way, until
// it has gone through all of them.
type oracle struct {
	chosen, of []int // the choices of this run, and out of how many
	at         int
}

// choose returns one of 0 to n-1.
func (o *oracle) choose(n int) int {
	if o.at == len(o.chosen) {
		o.chosen, o.of = append(o.chosen, 0), append(o.of, n)
	}
	o.at++
	return o.chosen[o.at-1]
}

// again reports whether there is a way that was not gone, and begins it.
func (o *oracle) again() bool {
	last := o.at - 1
	for last >= 0 && o.chosen[last]+1 == o.of[last] {
		last--
	}
	if last < 0 {
		return false
	}
	o.chosen, o.of, o.at = o.chosen[:last+1], o.of[:last+1], 0
	o.chosen[last]++
	return true
}
