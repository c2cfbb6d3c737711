// Command etcd is a plugin that keeps a lock in etcd 3.5 or newer, by the JSON gateway of
// its API v3.
//
// Two keys are one register: KEY has the record, as anybody may read it, and KEY.version the
// nonces of the latest writes. Each swap writes both, in one transaction that compares the
// revision of the first and the value of the second: a revision alone comes back when a
// cluster is restored from a snapshot. Reads go through a quorum.
//
// Members are asked one after the other, and the one that answers is asked first from then
// on. A swap goes to another member only if it was not sent.
package main

import (
	"encoding/base64"
	"math/rand/v2"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

func init() {
	lock.Serve(guest.About{
		Name: "etcd", Version: "1", About: "a lock in etcd 3.5 or newer, by the JSON gateway of its API v3",
		Parameters: []string{
			"endpoint: URL of a member, such as https://etcd:2379; may be repeated",
			"key: key of the record (default: holdfast and the path of the database)",
			"user: for authentication; needs readwrite on KEY and KEY.version", "password: for authentication; as a secret",
		},
		Wants: []string{"allow: each endpoint"},
	}, open)
}

func main() {}

type register struct {
	endpoints      []string // the one that answered last is the first
	name           string   // of the key, for people
	key, version   string   // in base64
	user, password string
	token          string // "": to be had
}

const example = "https://etcd:2379"

func open(c *guest.Config) (lock.Register, error) {
	endpoints := c.All("endpoint")
	if len(endpoints) == 0 {
		return nil, guest.ErrInvalid.Say("endpoint= is missing: it is the URL of a member, such as " + example)
	}
	for i, e := range endpoints {
		if err := guest.CheckURL("endpoint", e, example); err != nil {
			return nil, err
		}
		endpoints[i] = strings.TrimRight(e, "/")
	}
	// An instance that ran out of its time with one member is followed by one that, perhaps,
	// begins with another.
	rand.Shuffle(len(endpoints), func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
	r := &register{endpoints: endpoints, name: c.Get("key", "holdfast"+c.Database), user: c.Get("user", ""), password: c.Get("password", "")}
	if r.name == "" {
		return nil, guest.ErrInvalid.Say("key= is empty")
	}
	if r.password != "" && r.user == "" {
		return nil, guest.ErrInvalid.Say("there is a password and no user=")
	}
	r.key, r.version = encode(r.name), encode(r.name+".version")
	return r, nil
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
