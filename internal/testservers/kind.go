package testservers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// A Kind is one kind of server.
type Kind struct {
	name   string
	build  func(ctx context.Context, dir string) error // puts what it needs in a directory
	run    func(s *Server) (argv, env []string, err error)
	ready  string // path that answers with status when it is
	status int    // 0: any below 500
	tls    bool
	forks  bool // it has processes of its own, which it ends if it is asked to end
}

func (k Kind) String() string { return k.name }

// The access key of every store.
const (
	AccessKey = "testkey"
	SecretKey = "testsecret"
)

// Stores that speak S3.
var (
	// Versitygw honours conditions on PUT.
	Versitygw = Kind{
		name:  "versitygw-1.8.0",
		build: install("github.com/versity/versitygw/cmd/versitygw@v1.8.0"),
		run: func(s *Server) (argv, env []string, err error) {
			data := filepath.Join(s.dir, "data")
			return []string{s.program("versitygw"), "--port", s.address, "--quiet", "posix", data},
				[]string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey}, os.MkdirAll(data, 0o777)
		},
		ready: "/",
	}
	// Minio does too. It is run, and never linked.
	Minio = Kind{
		name:  "minio-20260212",
		build: install("github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"),
		run: func(s *Server) (argv, env []string, err error) {
			return []string{s.program("minio"), "server", "--quiet", "--address", s.address, filepath.Join(s.dir, "data")},
				[]string{"MINIO_ROOT_USER=" + AccessKey, "MINIO_ROOT_PASSWORD=" + SecretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off"}, nil
		},
		ready: "/minio/health/live",
	}
	// S3rver ignores every condition. Its keys are its own: see [Server.Keys].
	S3rver = Kind{
		name: "s3rver-3.7.1",
		build: func(ctx context.Context, dir string) error {
			return command(ctx, dir, nil, "npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", dir, "s3rver@3.7.1")
		},
		run: func(s *Server) (argv, env []string, err error) {
			host, port := s.hostPort()
			data := filepath.Join(s.dir, "data")
			return []string{s.program("node_modules/.bin/s3rver"), "--silent", "-a", host, "-p", port, "-d", data}, nil, os.MkdirAll(data, 0o777)
		},
		ready: "/",
	}
)

// Keys returns the access key and the secret of a store.
func (s *Server) Keys() (access, secret string) {
	if s.kind.name == S3rver.name {
		return "S3RVER", "S3RVER"
	}
	return AccessKey, SecretKey
}

// install builds a program of a module.
func install(what string) func(ctx context.Context, dir string) error {
	return func(ctx context.Context, dir string) error {
		return command(ctx, dir, []string{"CGO_ENABLED=0", "GOFLAGS=", "GOBIN=" + dir}, "go", "install", "-trimpath", "-ldflags", "-s -w", what)
	}
}

// answers reports whether a server is ready.
func (s *Server) answers(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+s.kind.ready, nil)
	if err != nil {
		return err
	}
	s.authorize(req)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 || s.kind.status != 0 && resp.StatusCode != s.kind.status {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
