// Command consul is a plugin that keeps a lock in the key-value store of Consul.
//
// KEY has the record behind a line that names the latest writes. A swap is one transaction,
// a cas on the index at which the key was written last. The index alone comes back when
// servers are restored from a snapshot, so there is a second, empty key whose name has the
// nonce of the latest write, KEY.version/NONCE: a swap wants that of the write which it
// replaces to be there, removes it and makes its own.
//
// Reads are consistent: the leader asks the others whether it still is it.
package main

import (
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

func init() {
	lock.Serve(guest.About{
		Name: "consul", Version: "1", About: "a lock in the key-value store of Consul",
		Parameters: []string{
			"endpoint: URL of an agent, such as http://127.0.0.1:8500",
			"key: key of the record (default: holdfast and the path of the database)",
			"token: for its ACL, as a secret; needs write on the keys that begin with KEY",
			"dc: the datacenter (default: the agent's)",
		},
		Wants: []string{"allow: the endpoint"},
	}, open)
}

func main() {}

type register struct {
	endpoint, key, dc string
	header            []string
}

const example = "http://127.0.0.1:8500"

func open(c *guest.Config) (lock.Register, error) {
	endpoint, err := c.Need("endpoint", "the URL of an agent, such as "+example)
	if err != nil {
		return nil, err
	}
	if err := guest.CheckURL("endpoint", endpoint, example); err != nil {
		return nil, err
	}
	r := &register{endpoint: strings.TrimRight(endpoint, "/"), key: strings.TrimPrefix(c.Get("key", "holdfast"+c.Database), "/"), dc: c.Get("dc", "")}
	if r.key == "" || len(r.marker(nonceExample)) > mostKey {
		return nil, guest.ErrInvalid.Say("key=" + r.key + ": Consul takes keys that are not empty, and no longer than 512 bytes: write a shorter one")
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	if strings.Trim(r.dc, letters) != "" {
		return nil, guest.ErrInvalid.Say("dc=" + r.dc + ": Consul takes letters, digits, - and _")
	}
	r.header = []string{"Content-Type: application/json"}
	if token := c.Get("token", ""); token != "" {
		r.header = append(r.header, "X-Consul-Token: "+token)
	}
	return r, nil
}
