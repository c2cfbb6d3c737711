// Package lock makes a plugin that brings a lock. Package watch makes one that can tell of
// changes.
package lock

import "github.com/holdfastdb/holdfast/wasmplugins/guest"

// A Register is one small cell that everybody who opens a database shares. ABI.md has the
// rules that it keeps.
type Register interface {
	// Read returns the present value and its version, which is "" if there is none.
	Read() (value []byte, version string, err error)
	// Swap replaces the value if the present version is old, and returns the new version.
	Swap(old string, value []byte) (version string, err error)
}

var register Register

// Serve makes this program a lock. Open gets what the host tells; parameters that it does
// not ask for are refused.
func Serve(about guest.About, open func(*guest.Config) (Register, error)) {
	guest.Serve(about, func(c *guest.Config) (err error) {
		register, err = open(c)
		return err
	})
}

// read and swap are what the exports do.
func read() ([]byte, error) {
	value, version, err := register.Read()
	return encodeRead(value, version), err
}

// swap gets the old version, of so many bytes, and behind it the value.
func swap(in []byte, old int) ([]byte, error) {
	version, err := register.Swap(string(in[:old]), in[old:])
	return []byte(version), err
}

// encodeRead is the reply to a read.
func encodeRead(value []byte, version string) []byte {
	n := uint32(len(version))
	b := append([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, version...)
	return append(b, value...)
}
