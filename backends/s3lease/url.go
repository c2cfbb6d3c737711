package s3lease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/locking"
)

// Scheme is the scheme of the lock URLs of this package.
const Scheme = "s3"

// Suffix ends the key of a register that is named after its database.
const Suffix = ".lease"

func init() {
	locking.RegisterBackend(Scheme, locking.LeaseBackend(func(ctx context.Context, u *url.URL, database string) (locking.Register, error) {
		return Open(ctx, u, database)
	}))
}

// Open returns the register that a lock URL names for a database, and tries its bucket if
// this process has not done so: see [Register.Probe].
//
//	s3://BUCKET/KEY        that object
//	s3://BUCKET/DIR/       DIR/NAME.lease, where NAME is the base name of the database
//
//	endpoint=URL           of a store that is not Amazon's, such as http://minio:9000
//	region=NAME            otherwise that of the environment
//	path-style=on|off      whether the bucket is part of the path; by default with an endpoint only
//
// Credentials, and what the URL leaves out, come from where the AWS SDK looks: environment,
// shared files, web identity, container and instance roles.
//
// Credentials that may not write are no error here, so that a status can be had with them;
// the first swap then says so.
func Open(ctx context.Context, u *url.URL, database string) (*Register, error) {
	s, err := parse(u, database)
	if err != nil {
		shown := *u
		shown.RawQuery = "" // somebody may have put credentials there
		return nil, fmt.Errorf("s3lease: lock URL %q: %w", shown.Redacted(), err)
	}
	r := &Register{bucket: s.bucket, key: s.key, name: s.String(), source: &source{load: s.connect}}
	if err := r.Probe(ctx); err != nil && !errors.Is(err, errForbidden) {
		return nil, err
	}
	return r, nil
}

// settings is what a lock URL says.
type settings struct {
	bucket, key      string
	endpoint, region string
	pathStyle        bool
}

var errCredentials = errors.New("a lock URL is no place for credentials: leave them to the environment or to a shared file")

func parse(u *url.URL, database string) (settings, error) {
	s := settings{bucket: u.Host, key: strings.TrimPrefix(u.Path, "/")}
	if u.Opaque != "" || u.Host == "" || u.Fragment != "" {
		return s, errors.New("want s3://BUCKET/KEY")
	}
	if u.User != nil {
		return s, errCredentials
	}
	if s.key == "" || strings.HasSuffix(s.key, "/") {
		s.key += filepath.Base(database) + Suffix
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return s, err
	}
	s.pathStyle = query.Has("endpoint")
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return s, fmt.Errorf("%s= is there more than once", name)
		}
		switch value := query.Get(name); name {
		case "endpoint":
			if strings.Contains(value, "@") {
				return s, fmt.Errorf("endpoint= has a user: %w", errCredentials)
			}
			if e, err := url.Parse(value); err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" {
				return s, fmt.Errorf("endpoint=%s: write one such as https://s3.example.com or http://127.0.0.1:9000", value)
			}
			s.endpoint = value
		case "region":
			if s.region = value; value == "" {
				return s, errors.New("region is empty: write one such as eu-central-1, or leave it out")
			}
		case "path-style":
			if value != "on" && value != "off" {
				return s, fmt.Errorf("path-style=%s: write on or off", value)
			}
			s.pathStyle = value == "on"
		default:
			return s, fmt.Errorf("unknown parameter %q: an S3 lease has endpoint, region and path-style; those of every lease are ttl, renew, guard, poll, idle, timeout and sticky", name)
		}
	}
	return s, nil
}

// String returns the lock URL of these settings.
func (s settings) String() string {
	u := url.URL{Scheme: Scheme, Host: s.bucket, Path: "/" + s.key}
	query := url.Values{}
	if s.endpoint != "" {
		query.Set("endpoint", s.endpoint)
	}
	if s.region != "" {
		query.Set("region", s.region)
	}
	switch {
	case s.pathStyle && s.endpoint == "":
		query.Set("path-style", "on")
	case !s.pathStyle && s.endpoint != "":
		query.Set("path-style", "off")
	}
	u.RawQuery = query.Encode()
	return u.String()
}
