//go:build linux

package image

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func TestTwoLabsBuildOneImage(t *testing.T) {
	if os.Getenv("HOLDFAST_LAB") == "" {
		t.Skip("downloads 110 MB of packages: set HOLDFAST_LAB=1")
	}
	dir := t.TempDir()
	var mu sync.Mutex
	var told []string
	log := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, s)
	}
	began := time.Now()
	var images [2]Image
	var g errgroup.Group
	for i := range images {
		g.Go(func() (err error) {
			images[i], err = Build(t.Context(), dir, log)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("cold: %s", time.Since(began))
	if n := strings.Count(fmt.Sprint(told), "image built"); n != 1 {
		t.Errorf("built %d times: %q", n, told)
	}

	began = time.Now()
	again, err := Build(t.Context(), dir, func(s string) { t.Errorf("the image is there, and yet: %s", s) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("warm: %s", time.Since(began))
	if diff := cmp.Diff([2]Image{again, again}, images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	for _, path := range []string{again.Kernel, again.Server, again.Client} {
		if s, err := os.Stat(path); err != nil || s.Size() < 1<<20 {
			t.Errorf("%s: %v", path, err)
		}
	}
}
