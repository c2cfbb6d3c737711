package leasefile_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/holdfastdb/holdfast/backends/leasefile"
)

// The register of a database is a directory beside it.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	lock, _ := url.Parse("leasefile:")
	register, err := leasefile.Open(lock, filepath.Join(dir, "app.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, version, err := register.Read(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := register.CompareAndSwap(ctx, version, []byte(`{"held":true}`)); err != nil {
		fmt.Println(err)
		return
	}
	// A person can read it too.
	files, _ := filepath.Glob(filepath.Join(dir, "app.db.lease", "*.json"))
	text, err := os.ReadFile(files[0])
	fmt.Println(len(files), string(text), err)
	// Output: 1 {"held":true} <nil>
}
