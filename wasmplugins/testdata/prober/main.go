// Command prober is a lock whose value is what came of something that it was told to try.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

type prober struct {
	try  string
	args []string
}

func (p *prober) Read() ([]byte, string, error) {
	out, err := p.do()
	if err != nil {
		out = "error: " + err.Error()
	}
	return []byte(out), "1", nil
}

func (p *prober) Swap(string, []byte) (string, error) { return "", guest.ErrConflict }

func (p *prober) do() (string, error) {
	switch p.try {
	case "send": // METHOD URL [HEADER]...
		answer, err := guest.Send(guest.Request{Method: p.args[0], URL: p.args[1], Header: p.args[2:]})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d %s%s", answer.Status, answer.Header("Location"), bytes.TrimSpace(answer.Body)), nil
	case "read":
		b, err := os.ReadFile(p.args[0])
		return string(b), err
	case "write":
		return "written", os.WriteFile(p.args[0], []byte("forged"), 0o666)
	case "append":
		f, err := os.OpenFile(p.args[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		_, err = f.WriteString("forged")
		return "appended", err
	case "truncate":
		return "truncated", os.Truncate(p.args[0], 0)
	case "remove":
		return "removed", os.Remove(p.args[0])
	case "mkdir":
		return "made", os.Mkdir(p.args[0], 0o777)
	case "rename":
		return "renamed", os.Rename(p.args[0], p.args[1])
	case "link":
		return "linked", os.Link(p.args[0], p.args[1])
	case "symlink":
		return "linked", os.Symlink(p.args[0], p.args[1])
	case "list":
		entries, err := os.ReadDir(p.args[0])
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " "), err
	case "open many":
		for n := 0; ; n++ {
			if _, err := os.Open(p.args[0]); err != nil || n > 10_000 {
				return fmt.Sprint(n), nil
			}
		}
	case "seek":
		f, err := os.OpenFile(p.args[0], os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if _, err := f.Seek(-3, io.SeekEnd); err != nil {
			return "", err
		}
		b, err := io.ReadAll(f)
		return string(b), err
	case "environment":
		return strings.Join(os.Environ(), " ") + strings.Join(os.Args, " "), nil
	}
	return "", fmt.Errorf("%w: try=%s", guest.ErrInvalid, p.try)
}

func init() {
	lock.Serve(guest.About{Name: "prober"}, func(c *guest.Config) (lock.Register, error) {
		return &prober{c.Get("try", ""), c.All("arg")}, nil
	})
}

func main() {}
