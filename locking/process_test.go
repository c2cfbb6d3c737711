package locking

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSelf(t *testing.T) {
	t.Setenv("POD_NAME", "writer-0")
	h := Self()
	if again := Self(); h.ID == again.ID {
		t.Errorf("two holders with the ID %q", h.ID)
	}
	if len(h.ID) < 16 || strings.Trim(h.ID, "0123456789abcdef") != "" {
		t.Errorf("ID = %q, want 16 hexadecimal digits or more", h.ID)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if h.Host != host || h.PID != os.Getpid() || h.Pod != "writer-0" {
		t.Errorf("Self() = %+v, want host %q, pid %d, pod writer-0", h, host, os.Getpid())
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Base(exe); h.Program != want {
		t.Errorf("program = %q, want %q", h.Program, want)
	}
	for name, value := range map[string]string{"boot": h.Boot, "namespace": h.Namespace, "start": h.Start} {
		if (value != "") != (runtime.GOOS == "linux") {
			t.Errorf("%s = %q on %s", name, value, runtime.GOOS)
		}
	}
	if h.Dead() {
		t.Error("this process calls itself dead")
	}
}
