package kubelease

import (
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/holdfastdb/holdfast/locking"
)

// remedy is what to do about a Lease that cannot be used any more.
const remedy = "delete the Lease when no process has the database open, and then let holdfast adopt say which file is the database"

// explain makes one line of an error of the API server: what to do about an answer, and
// [locking.ErrUnreachable] if there was none or it is to be asked again.
func (r *Register) explain(verb string, err error) error {
	switch answer := status(err); {
	case apierrors.IsForbidden(err) && verb == "create":
		return fmt.Errorf("there is no such Lease, and no right to create it: create it beforehand, empty, or allow the verb create on leases in namespace %s (%w)", r.namespace, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("no right to %s it: allow the verbs get, watch and update on the Lease %s in namespace %s by a Role (%w)", verb, r.lease, r.namespace, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w: the API server does not take the token: it has expired and there is no new one, or it is of another cluster (%w)", locking.ErrUnreachable, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no namespace %s: create it, or name another (%w)", r.namespace, err)
	case answer == 0 || answer >= 500 || answer == http.StatusTooManyRequests || answer == http.StatusRequestTimeout:
		return fmt.Errorf("%w: %w", locking.ErrUnreachable, err)
	}
	return err
}

// status returns the HTTP status of an answer of the API server, or 0 if there was none.
func status(err error) int {
	if answer := apierrors.APIStatus(nil); errors.As(err, &answer) {
		return int(answer.Status().Code)
	}
	return 0
}
