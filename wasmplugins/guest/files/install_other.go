//go:build !wasip1

package files

// install does nothing where no host calls.
func install(System) {}
