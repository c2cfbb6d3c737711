// Command unsteady is a lock on an HTTP server with ETags that stumbles now and then: before,
// in the middle of and after what it does.
package main

import (
	"math/rand/v2"
	"time"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

type unsteady struct{ url string }

var stumble func()

var stumbles = map[string]func(){
	"breaks off": func() {
		switch rand.IntN(40) {
		case 0:
			panic("stumbled")
		case 1:
			for {
			}
		}
	},
	"dawdles": func() {
		if rand.IntN(40) == 0 {
			time.Sleep(rand.N(5 * time.Second))
		}
	},
}

func (u *unsteady) Read() ([]byte, string, error) {
	stumble()
	a, err := guest.Send(guest.Request{Method: "GET", URL: u.url})
	switch {
	case err != nil:
		return nil, "", guest.ErrUnreachable
	case a.Status == 404:
		return nil, "", nil
	}
	return a.Body, a.Header("ETag"), nil
}

func (u *unsteady) Swap(old string, value []byte) (string, error) {
	header := "If-None-Match: *"
	if old != "" {
		header = "If-Match: " + old
	}
	stumble()
	a, err := guest.Send(guest.Request{Method: "PUT", URL: u.url, Header: []string{header}, Body: value})
	stumble()
	switch {
	case err != nil:
		return "", guest.ErrDoubt
	case a.Status == 412:
		return "", guest.ErrConflict
	}
	return a.Header("ETag"), nil
}

func init() {
	lock.Serve(guest.About{Name: "unsteady"}, func(c *guest.Config) (lock.Register, error) {
		url, err := c.Need("url", "the URL of the cell")
		if stumble = stumbles[c.Get("how", "")]; stumble == nil && err == nil {
			err = guest.ErrInvalid
		}
		return &unsteady{url}, err
	})
}

func main() {}
