package kubelease

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// watch begins at the known version where it can: it misses no deletion, and costs no GET.
func (r *Register) watch(ctx context.Context, known locking.Version) error {
	_, since, _ := strings.Cut(string(known), "/") // its resourceVersion: see identity
	err := r.follow(ctx, known, since)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		// The API server has forgotten what came after it.
		err = r.follow(ctx, known, "")
	}
	return err
}

// follow watches for what comes after a resourceVersion, or without one for what is there
// and what comes then.
func (r *Register) follow(ctx context.Context, known locking.Version, since string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	options := &meta.ListOptions{Watch: true, ResourceVersion: since, FieldSelector: fields.OneTermEqualSelector(meta.ObjectNameField, r.lease).String()}
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
	if since == "" && known != locking.Unused {
		// It tells of what is there, but not that a Lease is there no more.
		if s, err := r.look(ctx); err != nil || s.version() != known {
			return err
		}
	}
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
