//go:build linux || darwin

package vfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
