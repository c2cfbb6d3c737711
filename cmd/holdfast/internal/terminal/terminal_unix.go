//go:build unix

package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// needsTerm: a terminal without TERM is of an unknown kind.
const needsTerm = true

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil
}

func obeysEscapes(*os.File) bool { return true }

func size(f *os.File) (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}
