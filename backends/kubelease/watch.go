package kubelease

import (
	"context"
	"errors"
	"fmt"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	"github.com/holdfastdb/holdfast/locking"
)

// errWatchEnded is that of a watch that told of nothing. API servers end each after some
// minutes, and what lies between may do so at any time.
var errWatchEnded = errors.New("the watch ended")

// Watch returns nil when the version is other than known, and an error when ctx ends or
// there is no watch to be had: without the verb watch, and when it was cut.
func (r *Register) Watch(ctx context.Context, known locking.Version) error {
	if err := r.watch(ctx, known); err != nil {
		return fmt.Errorf("kubelease: watch %s: %w", r.name, err)
	}
	return nil
}

func (r *Register) watch(ctx context.Context, known locking.Version) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// Without a resourceVersion the watch begins with what is there now.
	options := &meta.ListOptions{Watch: true, FieldSelector: fields.OneTermEqualSelector(meta.ObjectNameField, r.lease).String()}
	var w watch.Interface
	err := r.client.with(func(c rest.Interface) (err error) {
		w, err = c.Get().Namespace(r.namespace).Resource("leases").VersionedParams(options, runtime.NewParameterCodec(leaseTypes)).Watch(ctx)
		return err
	})
	if ctx.Err() != nil {
		if err == nil {
			w.Stop()
		}
		return ctx.Err()
	}
	if err != nil {
		return r.explain("watch", err)
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, more := <-w.ResultChan():
			if !more {
				return errWatchEnded
			}
			if event.Type == watch.Error {
				return apierrors.FromObject(event.Object)
			}
			if changed(event, known) {
				return nil
			}
		}
	}
}

// changed reports whether an event says that the version is not the known one.
func changed(event watch.Event, known locking.Version) bool {
	object, ok := event.Object.(*coordination.Lease)
	switch {
	case !ok:
		return false
	case event.Type == watch.Deleted:
		return known != locking.Unused
	}
	s, err := decode(object)
	return err != nil || s.version() != known // who looks will see the error
}
