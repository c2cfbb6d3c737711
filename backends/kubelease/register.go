package kubelease

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/holdfastdb/holdfast/internal/trail"
	"github.com/holdfastdb/holdfast/locking"
)

// The annotations of a Lease that is a register.
const (
	recordKey = "holdfast/record" // the value, as it is
	binaryKey = "holdfast/binary" // instead of it, in base64, if it is no text
	writesKey = "holdfast/writes" // the nonces of the latest writes
)

// A Register is a Lease. It implements [locking.Register] and [locking.Watcher].
type Register struct {
	client           *client
	namespace, lease string
	name             string // lock URL

	latest atomic.Pointer[state] // what was read or written last
}

// String returns the lock URL of the register.
func (r *Register) String() string { return r.name }

// A state is what is there. The zero value is a Lease that does not exist; one that exists
// and was never used has no writes.
type state struct {
	object *coordination.Lease
	writes trail.Trail
	value  []byte
}

// version is [locking.Unused] unless somebody wrote.
func (s *state) version() locking.Version {
	if len(s.writes) == 0 {
		return locking.Unused
	}
	return locking.Version(s.writes.String() + " " + s.identity())
}

// identity is what the API server calls this state. It never comes back.
func (s *state) identity() string {
	if s.object == nil {
		return ""
	}
	return string(s.object.UID) + "/" + s.object.ResourceVersion
}

// decode takes a Lease apart.
func decode(object *coordination.Lease) (*state, error) {
	text, isText := object.Annotations[recordKey]
	binary, isBinary := object.Annotations[binaryKey]
	if !isText && !isBinary {
		if used, by := usedByOthers(object.Spec); used {
			return nil, fmt.Errorf("%w: the Lease is in use by another program (%s): name another Lease", locking.ErrForeign, by)
		}
		return &state{object: object}, nil
	}
	writes, ok := trail.Parse(object.Annotations[writesKey])
	value := []byte(text)
	if isBinary {
		var err error
		value, err = base64.StdEncoding.DecodeString(binary)
		ok = ok && err == nil && !isText
	}
	switch {
	case !ok || len(writes) == 0:
		return nil, fmt.Errorf("%w: its annotations were changed by hand: %s", locking.ErrRecord, remedy)
	case len(value) > locking.MaxValue:
		return nil, fmt.Errorf("%w: its value is larger than %d bytes", locking.ErrRecord, locking.MaxValue)
	}
	if field, is, want, same := compare(object.Spec, describe(value)); !same {
		return nil, fmt.Errorf("%w: the Lease was changed by hand or by another program: %s is %s, and by the record %s; %s", locking.ErrForeign, field, is, want, remedy)
	}
	return &state{object, writes, value}, nil
}

// encode returns the Lease that replaces the one of a state.
func (s *state) encode(namespace, name string, writes trail.Trail, value []byte) *coordination.Lease {
	object := &coordination.Lease{ObjectMeta: meta.ObjectMeta{Namespace: namespace, Name: name}}
	if s.object != nil {
		object = s.object.DeepCopy()
	}
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	delete(object.Annotations, recordKey)
	delete(object.Annotations, binaryKey)
	if utf8.Valid(value) {
		object.Annotations[recordKey] = string(value)
	} else {
		object.Annotations[binaryKey] = base64.StdEncoding.EncodeToString(value)
	}
	object.Annotations[writesKey] = writes.String()
	object.Spec = describe(value)
	return object
}

// Read returns the present value and its version. It is one GET, which is repeated while
// the API server asks for that and ctx lets it. It returns [locking.ErrUnreachable] if the
// server does not answer, [locking.ErrForeign] if the Lease is another program's, or was
// changed by hand, and [locking.ErrRecord] if it is damaged.
func (r *Register) Read(ctx context.Context) ([]byte, locking.Version, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, locking.Unused, fmt.Errorf("kubelease: read %s: %w", r.name, err)
	}
	return s.value, s.version(), nil
}

func (r *Register) look(ctx context.Context) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	object := new(coordination.Lease)
	err := r.client.with(func(c rest.Interface) error {
		return c.Get().Namespace(r.namespace).Resource("leases").Name(r.lease).Do(ctx).Into(object)
	})
	switch {
	case apierrors.IsNotFound(err):
		s := new(state)
		r.latest.Store(s)
		return s, nil
	case ctx.Err() != nil && err != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, r.explain("get", err)
	}
	s, err := decode(object)
	if err == nil {
		r.latest.Store(s)
	}
	return s, err
}

// known returns the state of a version, from memory if it is there.
func (r *Register) known(ctx context.Context, v locking.Version) (*state, error) {
	if s := r.latest.Load(); s != nil && s.version() == v && (v != locking.Unused || s.object != nil) {
		return s, nil
	}
	s, err := r.look(ctx)
	if err == nil && s.version() != v {
		err = locking.ErrConflict
	}
	return s, err
}
