//go:build linux || darwin

package vfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that is killed leaves its directory behind; the next one that needs one
// removes it, and spares those that are in use.
func TestPrivateDirOfAKilledProcessIsSwept(t *testing.T) {
	parent := os.Getenv("HOLDFAST_TEST_PRIVATE_DIR")
	if parent != "" {
		path := filepath.Join(parent, privatePrefix+"killed")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := markDir(path); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("ready")
		select {}
	}
	parent = scratch(t)
	path := filepath.Join(parent, privatePrefix+"killed")
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "HOLDFAST_TEST_PRIVATE_DIR="+parent)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the directory of a living process: %v", err)
	}
	child.Process.Kill()
	child.Wait()
	foreign := filepath.Join(parent, privatePrefix+"foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the directory of a killed process: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a directory that nobody marked: %v", err)
	}
}

// Where all users may create files, anything can have the name of the mark. It is neither
// waited for nor removed.
func TestForeignMarksAreLeftAlone(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, mark string) error{
		"a pipe":      func(_ *testing.T, mark string) error { return unix.Mkfifo(mark, 0o666) },
		"a directory": func(_ *testing.T, mark string) error { return os.Mkdir(mark, 0o777) },
		"a link": func(t *testing.T, mark string) error {
			target := filepath.Join(scratch(t), "file")
			return errors.Join(os.WriteFile(target, nil, 0o666), os.Symlink(target, mark))
		},
		"another user's": func(_ *testing.T, mark string) error {
			err := os.WriteFile(mark, nil, 0o666)
			if os.Geteuid() == 0 {
				return errors.Join(err, os.Chown(mark, 12, 34))
			}
			return errors.Join(err, os.Chmod(mark, 0)) // as good as that, to who is not root
		},
	} {
		t.Run(name, func(t *testing.T) {
			parent := scratch(t)
			dir := filepath.Join(parent, privatePrefix+"foreign")
			if err := errors.Join(os.Mkdir(dir, 0o777), put(t, filepath.Join(dir, markName))); err != nil {
				t.Fatal(err)
			}
			swept := make(chan struct{})
			go func() { defer close(swept); sweep(parent) }()
			select {
			case <-swept:
			case <-time.After(time.Minute):
				t.Fatal("it waits")
			}
			if _, err := os.Lstat(filepath.Join(dir, markName)); err != nil {
				t.Errorf("it is gone: %v", err)
			}
		})
	}
}
