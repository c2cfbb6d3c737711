package demo

import "errors"

// canFreeze: Windows has no documented way to stop another process.
const canFreeze = false

func (c *child) freeze() error { return errors.ErrUnsupported }
func (c *child) wake() error   { return errors.ErrUnsupported }
