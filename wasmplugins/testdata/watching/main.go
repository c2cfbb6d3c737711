// Command watching is a lock on an HTTP server with ETags that can be waited at.
package main

import (
	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/watch"
)

type watching struct{ url string }

func (w *watching) Read() ([]byte, string, error) {
	a, err := guest.Send(guest.Request{Method: "GET", URL: w.url, Safe: true})
	switch {
	case err != nil:
		return nil, "", err
	case a.Status == 404:
		return nil, "", nil
	}
	return a.Body, a.Header("ETag"), nil
}

func (w *watching) Swap(old string, value []byte) (string, error) {
	header := "If-None-Match: *"
	if old != "" {
		header = "If-Match: " + old
	}
	a, err := guest.Send(guest.Request{Method: "PUT", URL: w.url, Header: []string{header}, Body: value})
	switch {
	case err != nil:
		return "", err
	case a.Status == 412:
		return "", guest.ErrConflict
	}
	return a.Header("ETag"), nil
}

func (w *watching) Watch(known string) error {
	_, err := guest.Send(guest.Request{Method: "GET", URL: w.url, Header: []string{"X-Known: " + known, "X-Wait: 2s"}, Safe: true})
	return err
}

func init() {
	watch.Serve(guest.About{Name: "watching"}, func(c *guest.Config) (watch.Register, error) {
		url, err := c.Need("url", "the URL of the cell")
		return &watching{url}, err
	})
}

func main() {}
