// Command liar is a lock that breaks the promise that its parameter fault names, so that
// `holdfast plugin check` can be seen to find it. Without a fault it keeps all promises.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

func init() { lock.Serve(guest.About{Name: "liar"}, open) }

func main() {}

// A liar keeps its cell in a key of a server that has ETag and If-Match.
type liar struct {
	url, fault string
	writes     int
	kept       state    // what a cache has
	leak       [][]byte // what is never freed
}

type state struct {
	value         []byte
	version, etag string
}

func open(c *guest.Config) (lock.Register, error) {
	url, err := c.Need("url", "of a key")
	if err != nil {
		return nil, err
	}
	l := &liar{url: url, fault: c.Get("fault", "")}
	if l.fault == "reads at open" {
		if l.kept, err = l.look(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *liar) look() (state, error) {
	answer, err := guest.Send(guest.Request{Method: "GET", URL: l.url, Safe: true})
	switch {
	case l.fault == "unreachable is unused" && errors.Is(err, guest.ErrUnreachable):
		return state{}, nil
	case err != nil:
		return state{}, err
	case answer.Status == 404:
		return state{}, nil
	case answer.Status != 200:
		return state{}, guest.ErrUnreachable.Say(answer.String())
	}
	trail, value, err := lock.Unseal(answer.Body)
	if err != nil {
		return state{}, err
	}
	value = append([]byte(nil), value...) // what is kept outlives the answer
	etag := answer.Header("ETag")
	return state{value, l.version(trail[0], etag, value), etag}, nil
}

// version is what a state is told as.
func (l *liar) version(nonce, etag string, value []byte) string {
	switch l.fault {
	case "version is the ETag":
		return etag
	case "version is of the content":
		sum := sha256.Sum256(value)
		return hex.EncodeToString(sum[:])
	}
	return nonce
}

func (l *liar) Read() ([]byte, string, error) {
	keeps := l.fault == "keeps what it read" && l.kept.version != ""
	if keeps || l.fault == "reads at open" || l.fault == "is its own" {
		return l.kept.value, l.kept.version, nil
	}
	s, err := l.look()
	l.kept = s
	if l.fault == "cuts" && len(s.value) > 60000 {
		s.value = s.value[:60000]
	}
	return s.value, s.version, err
}

func (l *liar) Swap(old string, value []byte) (string, error) {
	l.writes++
	switch {
	case l.fault == "leaks":
		l.leak = append(l.leak, make([]byte, 64<<10))
	case l.fault == "hangs":
		for l.writes > 3 {
			l.writes++
		}
	case l.fault == "is its own":
		if old != l.kept.version {
			return "", guest.ErrConflict
		}
		l.kept = state{value: append([]byte(nil), value...), version: guest.Nonce()}
		return l.kept.version, nil
	}
	s, err := l.look()
	switch {
	case err != nil:
		return "", err
	case s.version != old && l.fault != "takes all":
		return "", guest.ErrConflict
	}
	nonce := guest.Nonce()
	etag, err := l.put(s, lock.Seal(lock.Trail{nonce}, value))
	if l.fault == "repeats" && errors.Is(err, guest.ErrDoubt) {
		etag, err = l.put(s, lock.Seal(lock.Trail{nonce}, value))
	}
	return l.version(nonce, etag, value), err
}

func (l *liar) put(s state, body []byte) (etag string, err error) {
	condition := "If-Match: " + s.etag
	switch {
	case l.fault == "no condition":
		condition = "X-Condition: none"
	case s.etag == "":
		condition = "If-None-Match: *"
	}
	answer, err := guest.Send(guest.Request{Method: "PUT", URL: l.url, Header: []string{condition}, Body: body})
	switch {
	case err != nil:
		return "", err
	case answer.Status == 412:
		return "", guest.ErrConflict
	case answer.Status != 204:
		return "", guest.ErrDoubt.Say(answer.String())
	}
	return answer.Header("ETag"), nil
}
