package fencewalk

func (w *walk) walProgram(s *state, i int, emit emitter)      {}
func (w *walk) openWAL(s *state, i int, emit emitter)         {}
func (w *walk) beginWAL(s *state, i int, emit emitter)        {}
func (w *walk) closeWAL(s *state, i int, emit emitter)        {}
func (w *walk) copyWAL(n *state, i int, emit emitter)         {}
func (w *walk) walSpoilt(before, after mark, seat *seat) bool { return false }
func walRecovered(p [2]uint8, wal *inode) (int, [2]uint8)     { return 0, p }
func (w *walk) read(s *state, i int, emit emitter)            {}
func (w *walk) openHot(s *state, i int, emit emitter)         {}
func (w *walk) reserve(n *state, i int) bool                  { return true }
func (w *walk) exclude(n *state, i int) bool                  { return true }
func (w *walk) beginToRead(s *state, i int, emit emitter)     {}
func (w *walk) tidy(s *state, i int, emit emitter)            {}
func (w *walk) tell(s *state, i int, emit emitter)            {}
func (w *walk) inDoubt(s, n *state, i int, req request, emit emitter) {
}
