package s3lease

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestMain(m *testing.M) { testservers.Main(m) }

const (
	testBucket = "leases"
	testKey    = "dir/app.db.lease"
)

// newWire is one on which things happen to PUTs of a register.
func newWire() *testservers.Wire {
	return &testservers.Wire{Concerns: func(req *http.Request) bool {
		return req.Method == http.MethodPut && !strings.HasSuffix(req.URL.Path, probeSuffix)
	}}
}

// client returns a client of a store, over a wire if there is one.
func client(url, access, secret string, w *testservers.Wire) *s3.Client {
	o := s3.Options{
		BaseEndpoint: &url, UsePathStyle: true, Region: "us-east-1",
		Credentials:                credentials.NewStaticCredentialsProvider(access, secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if w != nil {
		o.HTTPClient = &http.Client{Transport: w.Over(http.DefaultTransport.(*http.Transport).Clone())}
	}
	return s3.New(o)
}

// fakeRegister is one at a fake store.
func fakeRegister(t *testing.T) (*Register, *fakeStore, *testservers.Wire) {
	s, w := newFakeStore(t), newWire()
	return New(client(s.url, "id", "secret", w), testBucket, testKey), s, w
}

// subjects are cells at a store, each with a key of its own.
func subjects(t *testing.T, url, access, secret string, options ...func(*s3.Options)) func(testing.TB) locktest.Subject {
	var n atomic.Int64
	return func(tb testing.TB) locktest.Subject {
		w := newWire()
		key := testKey + "-" + time.Now().Format("150405.000000000")
		key = strings.ReplaceAll(key, ".", "-") + string(rune('a'+n.Add(1)))
		admin := client(url, access, secret, nil)
		return locktest.Subject{
			Open: func() (locking.Register, error) {
				return New(s3.New(client(url, access, secret, w).Options(), options...), testBucket, key), nil
			},
			LoseReply: func() { w.Next(testservers.LoseReply) },
			Wipe: func() error {
				_, err := admin.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: aws.String(testBucket), Key: &key})
				return err
			},
		}
	}
}

// wipe deletes a register, as an administrator does.
func wipe(t *testing.T, r *Register) {
	t.Helper()
	c, err := r.source.get(t.Context())
	if err == nil {
		_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &r.bucket, Key: &r.key})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustSwap(t *testing.T, r *Register, old locking.Version, value string) locking.Version {
	t.Helper()
	v, err := r.CompareAndSwap(t.Context(), old, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func checkValue(t *testing.T, r *Register, want string) locking.Version {
	t.Helper()
	value, version, err := r.Read(t.Context())
	if err != nil || string(value) != want {
		t.Errorf("read = %q, %v; want %q", value, err, want)
	}
	return version
}

// checkLine wants one line that is want, and says some things.
func checkLine(t *testing.T, err, want error, says ...string) {
	t.Helper()
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, s := range append(says, "s3lease: ") {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}
