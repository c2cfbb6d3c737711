package plugincheck

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// wipe deletes the cell behind the plugin's back. It returns an [errWipe] if it is not known
// how.
func (c *cell) wipe(ctx context.Context) error {
	if c.suite.Wipe == "" {
		return errWipe
	}
	cmd := shell(ctx, c.fill(c.suite.Wipe))
	cmd.WaitDelay = time.Second // for children of the shell that keep its output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("--wipe: %w: %.200q", err, strings.TrimSpace(string(out)))
	}
	return nil
}
