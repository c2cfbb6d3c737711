package s3lease

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfastdb/holdfast/internal/sent"
	"github.com/holdfastdb/holdfast/locking"
)

// CompareAndSwap replaces the value if the present version is old, and creates the object
// if that is [locking.Unused]. It sends one PUT. It returns [locking.ErrConflict] if the
// version is another; [locking.ErrDoubt] if the store did not answer, or said 5xx; and
// otherwise an error that says why nothing was changed.
func (r *Register) CompareAndSwap(ctx context.Context, old locking.Version, value []byte) (locking.Version, error) {
	version, err := r.swap(ctx, old, value)
	if err != nil {
		return locking.Unused, fmt.Errorf("s3lease: swap %s: %w", r.name, err)
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
	prev, ok := parseVersion(old)
	if !ok {
		return locking.Unused, locking.ErrConflict
	}
	if err := r.probe(ctx); err != nil {
		return locking.Unused, err
	}
	next := state{writes: prev.writes.Next()}
	var err error
	next.etag, err = r.put(ctx, r.key, onlyOver(prev.etag), encode(next.writes, value))
	if err == nil {
		return next.version(), nil
	}
	if !isConditional(err) {
		return locking.Unused, err
	}
	present, lookErr := r.look(ctx)
	if err := next.writes.Settle(err, present.writes, present.etag != prev.etag, lookErr); err != nil {
		return locking.Unused, err
	}
	return present.version(), nil
}

// A condition is that of a PUT.
type condition struct{ ifMatch, ifNoneMatch string }

// onlyOver is the condition that what is to be replaced has this ETag; without one, that
// there is nothing to replace.
func onlyOver(etag string) condition {
	if etag == "" {
		return condition{ifNoneMatch: "*"}
	}
	return condition{ifMatch: etag}
}

func (c condition) String() string {
	if c.ifMatch != "" {
		return "If-Match: " + c.ifMatch
	}
	return "If-None-Match: " + c.ifNoneMatch
}

// put sends one PUT, and returns the new ETag. Its error is one of [isConditional], or
// [locking.ErrDoubt], or says why nothing was changed.
func (r *Register) put(ctx context.Context, key string, only condition, body []byte) (etag string, err error) {
	var wasSent func() bool
	err = r.source.with(ctx, func(c *s3.Client) error {
		in := &s3.PutObjectInput{Bucket: &r.bucket, Key: &key, Body: bytes.NewReader(body), ContentType: aws.String("application/json")}
		if only.ifMatch != "" {
			in.IfMatch = &only.ifMatch
		} else {
			in.IfNoneMatch = &only.ifNoneMatch
		}
		traced, sent := sent.Trace(ctx)
		wasSent = sent
		out, err := c.PutObject(traced, in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
		if err == nil {
			etag = aws.ToString(out.ETag)
		}
		return err
	})
	answer := status(err)
	switch {
	case err == nil && etag != "":
		return etag, nil
	case err == nil:
		return "", fmt.Errorf("%w: the store answered without an ETag", locking.ErrDoubt)
	case isConditional(err):
		return "", err
	case wasSent == nil || answer == 0 && !wasSent():
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", explain(err)
	case answer >= 300 && answer < 500 && answer != http.StatusRequestTimeout && answer != http.StatusTooManyRequests,
		answer == http.StatusNotImplemented:
		return "", explain(err)
	}
	return "", fmt.Errorf("%w: %w", locking.ErrDoubt, err)
}

// isConditional reports whether a PUT was answered that its condition does not hold, or
// may not: another write was under way at the same time, or there is no object any more.
func isConditional(err error) bool {
	switch status(err) {
	case http.StatusPreconditionFailed, http.StatusConflict:
		return true
	case http.StatusNotFound:
		return code(err) != "NoSuchBucket"
	}
	return false
}
