package memory

import "github.com/holdfastdb/holdfast/locking"

// LoseReply plants a fault: the next swap that takes effect returns
// [locking.ErrDoubt], as over a network that loses the reply.
func (r *Register) LoseReply() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lose = true
}

// Wipe plants a fault: the cell is deleted behind everyone's back. The register
// is unused again, and its old versions never come back.
func (r *Register) Wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(locking.Unused, nil)
}
