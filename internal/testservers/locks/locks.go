// Package locks makes locks of the servers of package testservers, for programs that are
// told a lock's URL.
package locks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/holdfastdb/holdfast/internal/testservers"
)

// A Lock is one lock for each database, on one server.
type Lock struct {
	URL   func(database string) string // by the path of the database
	Env   map[string]string            // what programs need to use it
	Files []string                     // that they read
}

const region = "us-east-1"

// S3 makes a bucket in a store, which the programs reach at an endpoint.
func S3(ctx context.Context, s *testservers.Server, endpoint string) (Lock, error) {
	const bucket = "locks"
	access, secret := s.Keys()
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(s.URL()), UsePathStyle: true, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(bucket)}); err != nil {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
			return Lock{}, err
		}
	}
	return Lock{
		URL: func(database string) string {
			return "s3://" + bucket + database + ".lease?endpoint=" + url.QueryEscape(endpoint)
		},
		Env: map[string]string{
			"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true",
		},
	}, nil
}

// Kube writes a kubeconfig to a file, by which the programs reach the API server at an
// endpoint.
func Kube(s *testservers.Server, endpoint, file string) (Lock, error) {
	ca, err := s.CertificateAuthority()
	if err != nil {
		return Lock{}, err
	}
	const name = "test"
	c := api.NewConfig()
	// The certificate is that of the server's own address.
	c.Clusters[name] = &api.Cluster{Server: endpoint, CertificateAuthorityData: ca, TLSServerName: "kubernetes.default.svc"}
	c.AuthInfos[name] = &api.AuthInfo{Token: testservers.AdminToken}
	c.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	c.CurrentContext = name
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return Lock{}, err
	}
	return Lock{
		URL: func(database string) string {
			sum := sha256.Sum256([]byte(database))
			return "k8s://default/app-" + hex.EncodeToString(sum[:8])
		},
		Env:   map[string]string{"KUBECONFIG": file},
		Files: []string{file},
	}, nil
}
