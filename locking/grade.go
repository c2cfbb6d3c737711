package locking

// A Grade says how much a kind of lock promises.
type Grade string

const (
	// GradeKernel: the kernel of one host excludes, while the process lives.
	GradeKernel Grade = "kernel"
	// GradeFenced: whatever a stale process, its kernel or its paused machine still
	// does, and whatever its clock says, the database is never corrupted and no
	// commit that was acknowledged is lost.
	GradeFenced Grade = "fenced"
	// GradeLease: exclusion holds if no write takes effect later than the guard
	// interval after its holder's deadline. A process that is stopped between its
	// last check and its write, or a page that the network delivers late, breaks
	// that assumption.
	GradeLease Grade = "lease"
)

// Promise returns one sentence for people: what the grade promises, and on what
// assumption.
func (g Grade) Promise() string {
	switch g {
	case GradeKernel:
		return "the kernel of this host excludes other processes while this one lives"
	case GradeFenced:
		return "whatever a stale process, its kernel or its paused machine still does: no corruption, and no acknowledged commit lost"
	case GradeLease:
		return "safe only if no write takes effect later than the guard interval after its holder's deadline"
	}
	return "unknown grade"
}
