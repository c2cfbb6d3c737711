package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	litestream "github.com/benbjohnson/litestream/s3"

	"github.com/holdfastdb/holdfast/backends/s3lease"
	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

const bucket = "bench"

func s3Sides(ctx context.Context) (sides []*side, err error) {
	for _, kind := range stores {
		client, err := connect(ctx, kind)
		if err != nil {
			return nil, err
		}
		sides = append(sides, holdfast("s3lease, "+kind.String(), func(name string) (locking.Register, error) {
			return s3lease.New(client, bucket, name), nil
		}), leaser("Litestream's leaser, "+kind.String(), client))
	}
	return sides, nil
}

// stores are those that speak S3.
var stores = []testservers.Kind{testservers.Versitygw, testservers.Minio}

// connect returns a client of a store of a kind, which has the bucket.
func connect(ctx context.Context, kind testservers.Kind) (*s3.Client, error) {
	s, err := testservers.StartShared(kind)
	if err != nil {
		return nil, err
	}
	access, secret := s.Keys()
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(s.URL()), UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	if code := new(types.BucketAlreadyOwnedByYou); errors.As(err, &code) {
		err = nil
	}
	return client, err
}

// countRequests counts those of leases in one store: they are the same in all.
func countRequests(ctx context.Context) error {
	client, err := connect(ctx, stores[0])
	if err != nil {
		return err
	}
	return requests(ctx, func(name string) (locking.Register, error) { return s3lease.New(client, bucket, name), nil })
}

// leaser is the side of Litestream's.
func leaser(name string, client *s3.Client) *side {
	var n atomic.Int64
	return &side{name: name, round: func(ctx context.Context, note func(string, time.Duration)) error {
		path := fmt.Sprintf("litestream-%d", n.Add(1))
		peer := func(owner string) *litestream.Leaser {
			l := litestream.NewLeaser()
			l.SetClient(client)
			l.Bucket, l.Path, l.Owner = bucket, path, owner
			return l
		}
		a, b := peer("a"), peer("b")
		began := time.Now()
		lease, err := a.AcquireLease(ctx)
		if err != nil {
			return err
		}
		note(acquire, time.Since(began))
		began = time.Now()
		if lease, err = a.RenewLease(ctx, lease); err != nil {
			return err
		}
		note(renew, time.Since(began))
		// It has no way to ask: at best the holder leaves just before the other tries.
		return timed(note, handOver, func() error {
			if err := timed(note, release, func() error { return a.ReleaseLease(ctx, lease) }); err != nil {
				return err
			}
			_, err := b.AcquireLease(ctx)
			return err
		})
	}}
}
