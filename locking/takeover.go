package locking

import (
	"fmt"
	"strings"
	"time"
)

// A Takeover is what is left to do after a holder of a writing level expired: it
// may still write to the file, so the database must go on in a copy.
type Takeover struct {
	From   Holder    `json:"from"`         // who expired
	Since  time.Time `json:"since"`        // when that was found, by the clock of who found it; for people
	By     string    `json:"by,omitempty"` // ID of the holder that copies; "" if nobody does
	To     string    `json:"to,omitempty"` // base name of the copy that it makes
	Copied int64     `json:"copied,omitempty"`
	Total  int64     `json:"total,omitempty"` // bytes, of which Copied are copied; for people
}

// String tells people what a takeover has come to.
func (t *Takeover) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v may still write to the database, so it must be copied before it is used", t.From)
	if t.To != "" {
		fmt.Fprintf(&b, " (to %s", t.To)
		if t.Total > 0 {
			const mb = 1 << 20
			fmt.Fprintf(&b, ", %.1f of %.1f MB so far", float64(t.Copied)/mb, float64(t.Total)/mb)
		}
		b.WriteString(")")
	}
	return b.String()
}
