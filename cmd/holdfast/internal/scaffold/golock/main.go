// Command PLUGIN is a plugin of Holdfast that keeps a lock in one key of an HTTP server. The
// server must have a strong ETag for what it stores, and obey If-Match and If-None-Match.
//
// To keep the lock elsewhere, change open, look and Swap.
package main

import (
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

func init() {
	lock.Serve(guest.About{
		Name: "PLUGIN", Version: "0.1", About: "a lock in a key of an HTTP server that has ETag and If-Match",
		Parameters: []string{
			"url: of the key, such as http://127.0.0.1:8080/app",
			"token: sent as Authorization: Bearer; as a secret",
		},
		Wants: []string{"allow: the origin of url="},
	}, open)
}

func main() {}

// A cell is the key on the server. Other instances of this plugin, here and on other hosts,
// use it at the same time, so nothing of it may be remembered from one call to the next.
type cell struct {
	url    string
	header []string
}

// open gets the parameters. One that it does not ask for is refused by the SDK.
func open(c *guest.Config) (lock.Register, error) {
	url, err := c.Need("url", "that of the key, such as http://127.0.0.1:8080/app")
	if err != nil {
		return nil, err
	}
	r := &cell{url: url}
	if token := c.Get("token", ""); token != "" {
		r.header = []string{"Authorization: Bearer " + token}
	}
	return r, nil
}

// A state is what was there at some moment.
type state struct {
	trail lock.Trail // says which writes there were; none: there is no key
	value []byte
	etag  string
}

// version is random, so that none ever comes back: an ETag may, when a key was deleted.
func (s state) version() string {
	if len(s.trail) == 0 {
		return ""
	}
	return s.trail[0]
}

// look reads the key.
func (c *cell) look() (state, error) {
	answer, err := c.send("GET", nil, "Cache-Control: no-cache")
	switch {
	case err != nil:
		return state{}, err
	case answer.Status == 404:
		return state{}, nil
	case answer.Status != 200:
		return state{}, c.refused(answer, guest.ErrUnreachable)
	}
	trail, value, err := lock.Unseal(answer.Body)
	if err != nil {
		return state{}, err
	}
	etag := answer.Header("ETag")
	if etag == "" || strings.HasPrefix(etag, "W/") {
		return state{}, guest.ErrInvalid.Say("the server has no strong ETag for " + c.url + ", which a lock needs")
	}
	return state{trail, value, etag}, nil
}

// Read returns what is there now.
func (c *cell) Read() ([]byte, string, error) {
	s, err := c.look()
	return s.value, s.version(), err
}

// Swap replaces the value if the version is old. That the server compares the ETag is what
// makes it atomic; comparing the version here only tells which ETag that is.
func (c *cell) Swap(old string, value []byte) (string, error) {
	s, err := c.look()
	switch {
	case err != nil:
		return "", err
	case s.version() != old:
		return "", guest.ErrConflict
	}
	condition := "If-Match: " + s.etag
	if old == "" {
		condition = "If-None-Match: *"
	}
	mine := s.trail.Next()
	answer, err := c.send("PUT", lock.Seal(mine, value), condition, "Content-Type: application/octet-stream")
	switch {
	case err != nil:
		return "", err // if the answer was lost, this is ErrDoubt: never try again here
	case answer.Status == 200 || answer.Status == 201 || answer.Status == 204:
		return mine[0], nil
	case answer.Status == 412 || answer.Status == 404 && old != "":
		return c.judge(mine)
	}
	return "", c.refused(answer, guest.ErrDoubt) // it may have been written before it failed
}

// judge tells what became of a swap that the server refused. That may be because of another
// swap, or because of this one, which a proxy on the way has sent twice.
func (c *cell) judge(mine lock.Trail) (string, error) {
	now, err := c.look()
	if err != nil {
		return "", guest.ErrDoubt.Say(err.Error())
	}
	if err := mine.Judge(now.trail); err != nil {
		return "", err
	}
	return mine[0], nil
}

// send sends a request about the key.
func (c *cell) send(method string, body []byte, header ...string) (*guest.Answer, error) {
	safe := method == "GET" // so that one without an answer is not in doubt
	return guest.Send(guest.Request{Method: method, URL: c.url, Header: append(header, c.header...), Body: body, Safe: safe})
}

// refused is the error of a status; what a failure of the server means is said by the caller.
func (c *cell) refused(answer *guest.Answer, failed *guest.Error) error {
	kind := guest.ErrInvalid
	switch status := answer.Status; {
	case status == 401 || status == 403:
		kind = guest.ErrDenied
	case status == 429:
		kind = guest.ErrUnreachable
	case status >= 500:
		kind = failed
	}
	return kind.Say(c.url + ": " + answer.String())
}
