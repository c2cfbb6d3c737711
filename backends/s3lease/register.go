package s3lease

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfastdb/holdfast/internal/trail"
	"github.com/holdfastdb/holdfast/locking"
)

// A Register is an object in a bucket. It implements [locking.Register].
type Register struct {
	bucket, key string
	name        string // lock URL
	source      *source
}

// New returns the register at a key of a bucket, for a client that the caller configured.
// The client's own retries do not apply to writes. The bucket is tried before the first
// swap: see [Register.Probe].
func New(client *s3.Client, bucket, key string) *Register {
	s := settings{bucket: bucket, key: key, endpoint: aws.ToString(client.Options().BaseEndpoint), region: client.Options().Region, pathStyle: client.Options().UsePathStyle}
	return &Register{bucket: bucket, key: key, name: s.String(), source: &source{client: client}}
}

// String returns the lock URL of the register.
func (r *Register) String() string { return r.name }

// A state is what is there. The zero value is a register that was never written.
type state struct {
	etag   string
	writes trail.Trail
	value  []byte
}

func (s state) version() locking.Version {
	if s.etag == "" {
		return locking.Unused
	}
	return locking.Version(s.writes.String() + " " + s.etag)
}

// parseVersion is the inverse of version, without the value.
func parseVersion(v locking.Version) (s state, ok bool) {
	if v == locking.Unused {
		return state{}, true
	}
	writes, etag, ok := strings.Cut(string(v), " ")
	if ok {
		s.etag = etag
		s.writes, ok = trail.Parse(writes)
	}
	return s, ok && etag != "" && len(s.writes) > 0
}

// header is the first line of the object.
type header struct {
	Register int    `json:"holdfast-register"`
	Writes   string `json:"writes"`
}

// headerFormat is the version of the object's form.
const headerFormat = 1

// maxHeader is more than any header has.
const maxHeader = 4 << 10

func encode(writes trail.Trail, value []byte) []byte {
	line, _ := json.Marshal(header{headerFormat, writes.String()}) // of an int and a string
	return append(append(line, '\n'), value...)
}

// decode takes an object apart.
func decode(etag string, body []byte) (state, error) {
	line, value, ok := bytes.Cut(body, []byte("\n"))
	var h header
	if !ok || json.Unmarshal(line, &h) != nil || h.Register == 0 {
		return state{}, fmt.Errorf("%w: the object is something else: name another key, or move it away", locking.ErrForeign)
	}
	if h.Register != headerFormat {
		return state{}, fmt.Errorf("%w: the object has form %d, and this program knows %d: upgrade it", locking.ErrRecord, h.Register, headerFormat)
	}
	writes, ok := trail.Parse(h.Writes)
	switch {
	case !ok || len(writes) == 0 || etag == "":
		return state{}, fmt.Errorf("%w: its first line is damaged: remove the object when no process has the database open", locking.ErrRecord)
	case len(value) > locking.MaxValue:
		return state{}, fmt.Errorf("%w: its value is larger than %d bytes", locking.ErrRecord, locking.MaxValue)
	}
	return state{etag, writes, value}, nil
}

// Read returns the present value and its version. It is one GET, which the SDK repeats
// for as long as ctx lets it. It returns [locking.ErrUnreachable] if the store does not
// answer, [locking.ErrForeign] if the object is none of this package's, and
// [locking.ErrRecord] if it is damaged.
func (r *Register) Read(ctx context.Context) ([]byte, locking.Version, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, locking.Unused, fmt.Errorf("s3lease: read %s: %w", r.name, err)
	}
	return s.value, s.version(), nil
}

func (r *Register) look(ctx context.Context) (s state, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	err = r.source.with(ctx, func(c *s3.Client) error {
		s = state{}
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.key})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		body, err := io.ReadAll(io.LimitReader(out.Body, maxHeader+locking.MaxValue+1))
		if err != nil {
			return err
		}
		s, err = decode(aws.ToString(out.ETag), body)
		return err
	})
	switch {
	case err == nil:
		return s, nil
	case ctx.Err() != nil:
		return s, ctx.Err()
	case code(err) == "NoSuchKey":
		return state{}, nil
	}
	return s, explain(err)
}
