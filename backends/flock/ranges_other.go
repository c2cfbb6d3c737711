//go:build !linux && !darwin && !windows

package flock

import (
	"errors"
	"os"

	"github.com/holdfastdb/holdfast/locking"
)

const supported = false

// ranges are what this system has not. See [New].
type ranges struct{ *os.File }

func (ranges) enter() error                 { return errors.ErrUnsupported }
func (ranges) reserve() error               { return errors.ErrUnsupported }
func (ranges) pend() error                  { return errors.ErrUnsupported }
func (ranges) exclude(locking.Level) error  { return errors.ErrUnsupported }
func (ranges) lower(locking.Level) error    { return errors.ErrUnsupported }
func (ranges) leave(locking.Level) error    { return errors.ErrUnsupported }
func (ranges) reserved() (bool, error)      { return false, errors.ErrUnsupported }
func (ranges) blocker(locking.Level) tenant { return tenant{} }
