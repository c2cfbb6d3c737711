package testservers

import (
	"context"
	"path/filepath"
)

// buildModule builds a package of one of the modules beneath this one.
func buildModule(module, pkg string) func(ctx context.Context, dir string) error {
	return func(ctx context.Context, dir string) error {
		source, err := told(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/holdfastdb/holdfast/internal/testservers")
		if err != nil {
			return err
		}
		return command(ctx, filepath.Join(source, module), []string{"CGO_ENABLED=0", "GOFLAGS="},
			"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, module), pkg)
	}
}
