package kubelease

import (
	"context"
	"fmt"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/holdfastdb/holdfast/internal/sent"
	"github.com/holdfastdb/holdfast/locking"
)

// CompareAndSwap replaces the value if the present version is old, and creates the Lease
// if that is [locking.Unused] and there is none. It sends one PUT or POST. It returns
// [locking.ErrConflict] if the version is another; [locking.ErrDoubt] if the API server did
// not answer, or said 5xx; and otherwise an error that says why nothing was changed.
func (r *Register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	version, err := r.swap(ctx, old, value)
	if err != nil {
		return locking.Unused, fmt.Errorf("kubelease: swap %s: %w", r.name, err)
	}
	return version, nil
}

func (r *Register) swap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	if err := ctx.Err(); err != nil {
		return locking.Unused, err
	}
	if len(value) > locking.MaxValue {
		return locking.Unused, fmt.Errorf("value of %d bytes is larger than %d", len(value), locking.MaxValue)
	}
	prev, err := r.known(ctx, old)
	if err != nil {
		return locking.Unused, err
	}
	writes := prev.writes.Next()
	object, err := r.put(ctx, prev, prev.encode(r.namespace, r.lease, writes, value))
	if err == nil {
		s := &state{object, writes, append([]byte(nil), value...)}
		r.latest.Store(s)
		return s.version(), nil
	}
	if !isConflict(err) {
		return locking.Unused, err
	}
	present, lookErr := r.look(ctx)
	if lookErr != nil {
		present = new(state)
	}
	if err := writes.Settle(err, present.writes, present.identity() != prev.identity(), lookErr); err != nil {
		return locking.Unused, err
	}
	return present.version(), nil
}

// put sends one request that replaces prev by object, and returns what is there then. Its
// error is one of [isConflict], or [locking.ErrDoubt], or says why nothing was changed.
func (r *Register) put(ctx context.Context, prev *state, object *coordination.Lease) (*coordination.Lease, error) {
	traced, wasSent := sent.Trace(ctx)
	verb, result := "update", new(coordination.Lease)
	if prev.object == nil {
		verb = "create"
	}
	err := r.client.with(func(c rest.Interface) error {
		request := c.Post()
		if prev.object != nil {
			request = c.Put().Name(r.lease)
		}
		return request.Namespace(r.namespace).Resource("leases").MaxRetries(0).Body(object).Do(traced).Into(result)
	})
	answer := status(err)
	switch {
	case err == nil:
		return result, nil
	case isConflict(err):
		return nil, err
	case answer == 0 && !wasSent():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, r.explain(verb, err)
	case answer >= 300 && answer < 500:
		return nil, r.explain(verb, err)
	}
	return nil, fmt.Errorf("%w: %w", locking.ErrDoubt, err)
}

// isConflict reports whether a write was answered that what it was to replace is not
// there any more, or not yet.
func isConflict(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || isGone(err)
}

// isGone reports whether a write was answered that there is no such Lease, as opposed to
// no such namespace.
func isGone(err error) bool {
	if !apierrors.IsNotFound(err) {
		return false
	}
	s := apierrors.APIStatus(nil)
	if known, ok := err.(apierrors.APIStatus); ok {
		s = known
	}
	return s != nil && s.Status().Details != nil && s.Status().Details.Kind == "leases"
}
