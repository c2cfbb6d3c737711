package testservers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Built has the kinds that are built from sources.
var Built = []Kind{Versitygw, Minio, S3rver, Kube, Etcd, Consul}

// Build builds a kind of server if it is not in the user's cache. It is bounded by
// buildBound, and returns what the build said if that failed.
func (k Kind) Build(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, buildBound)
	defer cancel()
	_, err := k.built(ctx)
	return err
}

// built returns the directory that a kind of server was built in, and builds it if need be.
func (k Kind) built(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "holdfast-testservers", k.name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // somebody else built it meanwhile
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), k.name+".")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := k.build(ctx, scratch); err != nil {
		return "", fmt.Errorf("build %s: %w", k, err)
	}
	return dir, os.Rename(scratch, dir)
}

// command runs a program to its end in a directory.
func command(ctx context.Context, dir string, env []string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return nil
}

// told returns what a program says.
func told(ctx context.Context, argv ...string) (string, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
