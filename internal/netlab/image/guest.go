//go:build linux

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const guestPackage = "github.com/holdfastdb/holdfast/internal/netlab/guest"

// buildGuest compiles the program that runs in the machines. It is static, and the same source gives the same bytes.
func (b *builder) buildGuest(ctx context.Context) error {
	b.guest = filepath.Join(b.tmp, "guest")
	c := exec.CommandContext(ctx, b.tools.golang, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", b.guest, guestPackage)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if _, err := output(ctx, c); err != nil {
		return fmt.Errorf("guest program (the lab must be started inside the module): %w", err)
	}
	return nil
}
