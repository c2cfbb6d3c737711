//go:build !linux

package remotedir

import (
	"errors"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/internal/pagecache"
)

// host is the kernel of this machine. Of those other than Linux it is not known how
// they can be made to ask.
type host struct{}

func (host) device(afero.File) (uint64, error) { return 0, errors.ErrUnsupported }
func (host) deviceOf(string) (uint64, error)   { return 0, errors.ErrUnsupported }
func (host) locate(afero.File) *place          { return new(place) }
func (host) same(afero.File, string) bool      { return false }
func (host) drop(f afero.File) bool            { return pagecache.Drop(f) }
func (host) ask(string) error                  { return errors.ErrUnsupported }
