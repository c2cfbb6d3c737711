package s3lease

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// A store that would let two processes hold the lock is refused before the first swap.
func TestStoreThatLies(t *testing.T) {
	for _, row := range []struct {
		name string
		lie  lie
		says []string
	}{
		{"ignores If-None-Match", lie{noMatchIgnored: true}, []string{"If-None-Match: *", "answered 200 OK instead of 412"}},
		{"ignores If-Match", lie{matchIgnored: true}, []string{"If-Match:", "answered 200 OK instead of 412"}},
		{"ignores both", lie{noMatchIgnored: true, matchIgnored: true}, []string{"answered 200 OK instead of 412"}},
		{"inverts both", lie{inverted: true}, []string{"If-None-Match: *", "PreconditionFailed", "a GET finds nothing"}},
		{"no ETag ever matches", lie{neverMatches: true}, []string{"which is the ETag that a GET returned", "PreconditionFailed"}},
		{"reads what was there before", lie{stale: true}, []string{"a GET returns the object of before"}},
		{"knows no conditions", lie{refuse: "NotImplemented", status: http.StatusNotImplemented, refusePut: true}, []string{"does not know conditional writes", "NotImplemented"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, s, _ := fakeRegister(t)
			s.set(func() { s.lie = row.lie })
			checkLine(t, r.Probe(t.Context()), errUnfit, append(row.says, "use a", "another lock")...)
			_, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("mine"))
			checkLine(t, err, errUnfit, row.says...)
			if n := s.count("PUT", testKey); n != 0 {
				t.Errorf("the register was written %d times", n)
			}
		})
	}
}

// A bucket is tried once, whichever register of it is used; and again if that failed.
func TestProbeOncePerBucket(t *testing.T) {
	r, s, _ := fakeRegister(t)
	s.set(func() { s.lie = lie{refuse: "SlowDown", status: http.StatusServiceUnavailable, refusePut: true} })
	if err := r.Probe(t.Context()); err == nil {
		t.Fatal("a probe of a store that is not ready passed")
	}
	s.set(func() { s.lie, s.asked = lie{}, nil })
	for range 3 {
		r := New(client(s.url, "id", "secret", nil), testBucket, testKey)
		if err := r.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	version := mustSwap(t, r, locking.Unused, "one")
	mustSwap(t, r, version, "two")
	if n := s.count("PUT", testKey+probeSuffix); n != 4 {
		t.Errorf("%d PUTs of the probe, want 4", n)
	}
	if n := s.count("DELETE", testKey+probeSuffix) + s.count("DELETE", testKey); n != 0 {
		t.Errorf("%d DELETEs", n)
	}
}

// Whoever waits for another one's probe waits for no longer than it was told to.
func TestProbeIsAwaitedInTime(t *testing.T) {
	ended := make(chan struct{})
	asked := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-ended
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(ended) })
	open := func() *Register { return New(client(s.URL, "id", "secret", nil), testBucket, testKey) }
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan error, 2)
	go func() { told <- open().Probe(first) }()
	<-asked
	second, cancelSecond := context.WithCancel(t.Context())
	cancelled := open()
	go func() { told <- cancelled.Probe(second) }()
	cancelSecond()
	select {
	case err := <-told:
		checkLine(t, err, context.Canceled)
	case <-time.After(30 * time.Second):
		t.Error("it waits though it was told to end")
		cancel()
		<-told
	}
	cancel()
	if err := <-told; !errors.Is(err, context.Canceled) {
		t.Errorf("the probe that was waited for: %v", err)
	}
}

// Many processes that begin at once do not take each other for a lie.
func TestProbesAtOnce(t *testing.T) {
	s := newFakeStore(t)
	errs := make(chan error)
	const n = 8
	for range n {
		r := New(client(s.url, "id", "secret", nil), testBucket, testKey)
		go func() { errs <- r.tryStore(t.Context()) }()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestRealStoresThatAreFit(t *testing.T) {
	testservers.Need(t)
	for _, kind := range []testservers.Kind{testservers.Versitygw, testservers.Minio} {
		s := realStore(t, kind)
		access, secret := s.Keys()
		if err := New(client(s.URL(), access, secret, nil), testBucket, testKey).tryStore(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestRealStoreThatLies(t *testing.T) {
	testservers.Need(t)
	s := realStore(t, testservers.S3rver)
	access, secret := s.Keys()
	c := client(s.URL(), access, secret, nil)
	r := New(c, testBucket, testKey)
	checkLine(t, r.Probe(t.Context()), errUnfit, "If-None-Match: *", "200 OK instead of 412", testBucket+"/"+testKey+probeSuffix)
	if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(testBucket), Key: aws.String(testKey)}); err == nil {
		t.Error("the register was written")
	}
}
