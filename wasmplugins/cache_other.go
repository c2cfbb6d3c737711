//go:build !unix

package wasmplugins

import "os"

// onlyOurs relies on where the user's cache directory is.
func onlyOurs(os.FileInfo) bool { return true }
