package locking

import "fmt"

// A Holder says which process is meant, for people and for the proof that it is
// dead. Its ID alone is its identity: it is drawn anew whenever a process enters
// a register for the first time or after a loss, so it never comes back.
type Holder struct {
	ID        string `json:"id"`                  // random, never used twice
	Host      string `json:"host"`                // host name
	PID       int    `json:"pid"`                 // in the holder's own namespace
	Pod       string `json:"pod,omitempty"`       // Kubernetes pod, from POD_NAME
	Program   string `json:"program,omitempty"`   // base name of the executable
	Boot      string `json:"boot,omitempty"`      // kernel boot identifier
	Namespace string `json:"namespace,omitempty"` // pid and time namespaces
	Start     string `json:"start,omitempty"`     // start of the process, in the kernel's own unit
}

// String names the process for people: pid, host and, if there is one, pod.
func (h Holder) String() string {
	if h.ID == "" && h.PID == 0 {
		return "a process that the kernel does not name"
	}
	s := fmt.Sprintf("pid %d", h.PID)
	if h.Program != "" {
		s = fmt.Sprintf("%s (pid %d)", h.Program, h.PID)
	}
	if h.Host != "" {
		s += " on " + h.Host
	}
	if h.Pod != "" {
		s += " in pod " + h.Pod
	}
	return s
}
