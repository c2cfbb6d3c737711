package s3lease

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking/locktest"
)

func TestConformance(t *testing.T) {
	locktest.RunInRealTime(t, subjects(t, newFakeStore(t).url, "id", "secret"))
}

func TestConformanceOfRealStores(t *testing.T) {
	testservers.Need(t)
	for _, kind := range []testservers.Kind{testservers.Versitygw, testservers.Minio} {
		t.Run(kind.String(), func(t *testing.T) {
			s := realStore(t, kind)
			access, secret := s.Keys()
			locktest.RunInRealTime(t, subjects(t, s.URL(), access, secret))
		})
	}
}

// realStore is a store of a kind, with a bucket.
func realStore(t testing.TB, kind testservers.Kind) *testservers.Server {
	t.Helper()
	s := testservers.Shared(t, kind)
	access, secret := s.Keys()
	c := client(s.URL(), access, secret, nil)
	if _, err := c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(testBucket)}); err == nil {
		return s
	}
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(testBucket)}); err != nil {
		t.Fatal(err)
	}
	return s
}
