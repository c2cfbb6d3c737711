//go:build unix

package wasmplugins

import (
	"os"
	"syscall"
)

// onlyOurs reports whether nobody else can write to a directory.
func onlyOurs(s os.FileInfo) bool {
	st, ok := s.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && s.Mode().Perm()&0o022 == 0
}
