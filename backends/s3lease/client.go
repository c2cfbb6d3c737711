package s3lease

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/holdfastdb/holdfast/locking"
)

// connect makes a client of settings. What they leave out it takes from where the SDK looks.
func (s settings) connect(ctx context.Context) (*s3.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		o.Region = s.region
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(overHTTP1)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if cfg.Region == "" {
		if s.endpoint == "" {
			return nil, errors.New("no region: write region= in the lock URL, or set AWS_REGION")
		}
		cfg.Region = "us-east-1" // what stores that have none expect in signatures
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		if s.endpoint != "" {
			o.BaseEndpoint = aws.String(s.endpoint)
		}
		o.UsePathStyle = s.pathStyle
		// Not every store knows the checksums that came later than the protocol.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}), nil
}

// overHTTP1 has a request that is given up take its connection with it. Over HTTP/2 it would
// leave that to the next, though it may lead nowhere any more.
func overHTTP1(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.TLSClientConfig.NextProtos = []string{"http/1.1"} // the SDK has had it ask for more
}

// A source has the client that is in use. With load it makes it, and another one when the
// store does not take its credentials any more: a shared file is read only once by the SDK.
type source struct {
	load func(context.Context) (*s3.Client, error)

	mu     sync.Mutex
	client *s3.Client // guarded by mu; nil if it is to be made
}

func (s *source) get(ctx context.Context) (*s3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		client, err := s.load(ctx)
		if err != nil {
			return nil, err
		}
		s.client = client
	}
	return s.client, nil
}

// renew has the next get make a client anew, unless that was done. It reports whether
// there is another one to be had.
func (s *source) renew(used *s3.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == used && s.load != nil {
		s.client = nil
	}
	return s.client != used
}

// with does something with a client, and once more with another one if the store refused
// the credentials as outdated. A refused request has no effect.
func (s *source) with(ctx context.Context, do func(*s3.Client) error) error {
	for again := false; ; again = true {
		client, err := s.get(ctx)
		if err != nil {
			return err
		}
		// Here, so that a failure is not taken for one of the request that it is for.
		if _, err := client.Options().Credentials.Retrieve(ctx); err != nil {
			s.renew(client)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// Its cause may be an answer too, which is not one of the store.
			return fmt.Errorf("%w: no credentials: %v; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or see where else the AWS SDK looks", locking.ErrUnreachable, err)
		}
		if err = do(client); again || !outdated(err) || !s.renew(client) {
			return err
		}
	}
}

// outdated reports whether the store refused credentials that may have been replaced.
func outdated(err error) bool {
	switch code(err) {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId":
		return true
	}
	return false
}

// code returns the code of an answer of the store, or "".
func code(err error) string {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return answer.ErrorCode()
	}
	return ""
}

// status returns the HTTP status of an answer of the store, or 0 if there was none.
func status(err error) int {
	type statusError interface {
		error
		HTTPStatusCode() int
	}
	if answer, ok := errors.AsType[statusError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}
