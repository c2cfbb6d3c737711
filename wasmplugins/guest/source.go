//go:build !wasip1

package guest

import "embed"

// Source is the source of this package and those beneath it, by path, for programs that write
// the beginning of a plugin: such a plugin is built without a network. Tests are among it.
//
//go:embed *.go lock/*.go files/*.go json/*.go watch/*.go
var Source embed.FS
