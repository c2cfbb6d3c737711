package shell

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfastdb/holdfast"
	"github.com/holdfastdb/holdfast/cmd/holdfast/internal/lockview"
)

func showLock(sh *Shell, ctx context.Context, _ []string) error {
	status, err := holdfast.Status(ctx, sh.session.target.DSN)
	if err != nil {
		return err
	}
	if err := lockview.Write(sh.out, status); err != nil {
		return err
	}
	level, epoch := sh.session.held()
	here := level.String()
	if epoch > 0 {
		here += fmt.Sprintf(" under epoch %d", epoch)
	}
	_, err = fmt.Fprintf(sh.out, "%-7s %s\n", "here", here)
	return err
}

func timeout(sh *Shell, _ context.Context, args []string) error {
	d, err := time.ParseDuration(args[0] + "ms")
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a number of milliseconds", args[0])
	}
	return sh.session.setTimeout(d)
}

// gradeLine says in a few words what the locks of the database promise.
func (sh *Shell) gradeLine() string {
	if sh.session.grade == "" {
		return "in memory, with no lock"
	}
	return fmt.Sprintf("grade %s, %s", sh.session.grade, sh.session.grade.Promise())
}
