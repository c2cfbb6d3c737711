//go:build !linux

package fence

import "errors"

// copyFileRange: macOS and Windows clone or copy whole files only.
func copyFileRange(File, File, int64, int64) (int64, error) { return 0, errors.ErrUnsupported }
