package kubelease

import (
	"fmt"
	"math"
	"time"

	coordination "k8s.io/api/coordination/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/holdfastdb/holdfast/locking"
)

// describe says in a Lease's own fields what a record means. What is no record, and one in
// which nobody holds anything, has no holder.
func describe(value []byte) coordination.LeaseSpec {
	record, err := locking.DecodeRecord(value)
	if err != nil || len(value) == 0 {
		return coordination.LeaseSpec{}
	}
	transitions := int32(min(record.Epoch, math.MaxInt32))
	spec := coordination.LeaseSpec{LeaseTransitions: &transitions}
	first := holder(record)
	if first == nil {
		return spec
	}
	who := first.Holder.String()
	// Never less than it is: another reader of the Lease would think it expired too early.
	seconds := int32(min((time.Duration(first.TTL)*time.Millisecond+time.Second-1)/time.Second, math.MaxInt32))
	acquired, renewed := meta.NewMicroTime(first.Since.UTC()), meta.NewMicroTime(first.Renewed.UTC())
	spec.HolderIdentity, spec.LeaseDurationSeconds, spec.AcquireTime, spec.RenewTime = &who, &seconds, &acquired, &renewed
	return spec
}

// holder returns the entry of the highest level, or nil.
func holder(record locking.Record) (first *locking.Entry) {
	for i := range record.Entries {
		if e := &record.Entries[i]; e.Level > locking.None && (first == nil || e.Level > first.Level) {
			first = e
		}
	}
	return first
}

// usedByOthers reports whether a Lease that has no record was ever held, and by whom. One
// whose holder has left may have a holder again.
func usedByOthers(is coordination.LeaseSpec) (used bool, by string) {
	switch {
	case is.HolderIdentity != nil && *is.HolderIdentity != "":
		return true, fmt.Sprintf("holderIdentity is %q", *is.HolderIdentity)
	case is.RenewTime != nil:
		return true, "it was renewed at " + moment(is.RenewTime)
	}
	return is.LeaseTransitions != nil && *is.LeaseTransitions > 0, "leaseTransitions is " + show(is.LeaseTransitions)
}

// compare names a field in which two specs differ, if there is one.
func compare(is, want coordination.LeaseSpec) (field, got, wanted string, same bool) {
	for _, f := range []struct {
		name     string
		is, want string
	}{
		{"holderIdentity", show(is.HolderIdentity), show(want.HolderIdentity)},
		{"leaseDurationSeconds", show(is.LeaseDurationSeconds), show(want.LeaseDurationSeconds)},
		{"acquireTime", moment(is.AcquireTime), moment(want.AcquireTime)},
		{"renewTime", moment(is.RenewTime), moment(want.RenewTime)},
		{"leaseTransitions", show(is.LeaseTransitions), show(want.LeaseTransitions)},
	} {
		if f.is != f.want {
			return f.name, f.is, f.want, false
		}
	}
	return "", "", "", true
}

func show[T any](p *T) string {
	if p == nil {
		return "not set"
	}
	return fmt.Sprint(*p)
}

// moment is a time as a Lease keeps it, to the microsecond.
func moment(t *meta.MicroTime) string {
	if t == nil {
		return "not set"
	}
	return t.UTC().Format(meta.RFC3339Micro)
}
