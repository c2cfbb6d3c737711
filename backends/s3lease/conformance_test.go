package s3lease

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
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
			var options []func(*s3.Options)
			if kind.String() == testservers.Versitygw.String() {
				options = append(options, func(o *s3.Options) { o.HTTPClient = untorn{o.HTTPClient, t} })
			}
			locktest.RunInRealTime(t, subjects(t, s.URL(), access, secret, options...))
		})
	}
}

// untorn sends a GET again whose ETag is not that of its body. versitygw reads the ETag of a
// path and then opens the path: if a PUT comes in between it answers with the old ETag and
// the new body. A swap from there is refused, so that does no harm, but History would look
// for the swap that led there. The other way round, with a new ETag and an old body, it would
// do harm, and the next GET would have that ETag too.
type untorn struct {
	s3.HTTPClient
	t *testing.T
}

func (u untorn) Do(req *http.Request) (*http.Response, error) {
	torn := ""
	for {
		resp, err := u.HTTPClient.Do(req)
		if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		etag := resp.Header.Get("ETag")
		if etag == torn {
			u.t.Errorf("ETag %s is that of two bodies", etag)
			return resp, nil
		}
		if etag == fmt.Sprintf(`"%x"`, md5.Sum(body)) {
			return resp, nil
		}
		torn = etag
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
