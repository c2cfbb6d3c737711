package s3lease

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/holdfastdb/holdfast/locking"
)

var (
	// errForbidden is that of credentials that are good, and may not do this.
	errForbidden = errors.New("not allowed")
	// errUnfit is that of a store that cannot hold a register.
	errUnfit = errors.New("this store cannot hold a register")
)

// explain makes one line of an error of the SDK: what to do about an answer, and
// [locking.ErrUnreachable] if there was none or it is to be asked again.
func explain(err error) error {
	if errors.Is(err, locking.ErrForeign) || errors.Is(err, locking.ErrRecord) || errors.Is(err, locking.ErrUnreachable) {
		return err // it was explained where it was found
	}
	answer := status(err)
	switch code(err) {
	case "NoSuchBucket":
		return fmt.Errorf("there is no such bucket: create it, or name another (%w)", brief(err))
	case "AccessDenied", "AllAccessDisabled", "Forbidden":
		return fmt.Errorf("%w: the credentials need s3:GetObject and s3:PutObject on the object and on the one beside it that ends in %s, and s3:ListBucket on the bucket (%w)", errForbidden, probeSuffix, brief(err))
	case "RequestTimeTooSkewed", "RequestExpired":
		return fmt.Errorf("the clocks of this host and of the store differ by %v, which signatures do not allow: set this host's (%w)", skew(err), brief(err))
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("the store does not know these credentials: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else they come from (%w)", brief(err))
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken":
		return fmt.Errorf("%w: the credentials have expired, and there are no new ones yet (%w)", locking.ErrUnreachable, brief(err))
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Errorf("the bucket is in another region: write region= in the lock URL (%w)", brief(err))
	}
	switch {
	case answer == http.StatusNotImplemented:
		return fmt.Errorf("%w: it does not know conditional writes; use another store, or another lock (%w)", errUnfit, brief(err))
	case answer >= 300 && answer < 400:
		return fmt.Errorf("the bucket is elsewhere: see region= and endpoint= in the lock URL (%w)", brief(err))
	case answer == http.StatusForbidden || answer == http.StatusUnauthorized:
		return fmt.Errorf("%w (%w)", errForbidden, brief(err))
	case answer == 0 || answer >= 500 || answer == http.StatusTooManyRequests || answer == http.StatusRequestTimeout || code(err) == "RequestTimeout":
		return fmt.Errorf("%w: %w", locking.ErrUnreachable, brief(err))
	}
	return brief(err)
}

// skew is how far the clock of the store is from ours, by its answer.
func skew(err error) time.Duration {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok && answer.Response != nil {
		if date, err := http.ParseTime(answer.Response.Header.Get("Date")); err == nil {
			return time.Since(date).Abs().Round(time.Second)
		}
	}
	return 0
}

// brief leaves out what the SDK says of itself around what it wraps.
func brief(err error) error {
	type operation interface {
		error
		Operation() string
	}
	if op, ok := errors.AsType[operation](err); ok {
		if inner := errors.Unwrap(op); inner != nil {
			return inner
		}
	}
	return err
}
