package fencewalk

func (w *walk) inDoubt(s, n *state, i int, req request, emit emitter) {
}
