// Command cell is a lock in the memory of one instance: for measurements.
package main

import (
	"strconv"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

type cell struct {
	value []byte
	swaps int
}

func (c *cell) version() string {
	if c.swaps == 0 {
		return ""
	}
	return strconv.Itoa(c.swaps)
}

func (c *cell) Read() ([]byte, string, error) { return c.value, c.version(), nil }

func (c *cell) Swap(old string, value []byte) (string, error) {
	if old != c.version() {
		return "", guest.ErrConflict
	}
	c.value = append(c.value[:0], value...)
	c.swaps++
	return c.version(), nil
}

func init() {
	lock.Serve(guest.About{Name: "cell"}, func(*guest.Config) (lock.Register, error) { return new(cell), nil })
}

func main() {}
