// Command webdav is a plugin that keeps a lock on a WebDAV server whose MOVE is a rename, such
// as Apache with mod_dav_fs.
//
// Conditions and write locks of WebDAV are no help: Apache looks at If-Match before it takes
// a file and puts it in place after, and gives a write lock to two clients that ask for it at
// once. But of all who rename one file one succeeds, and whoever comes late finds it gone.
// So the register is a collection with two files:
//
//	at.NONCE     says by its name which value is the present one
//	value.NONCE  is it, behind a line that names the latest writes
//
// A swap writes a value of its own, which nobody else ever touches, and moves the at.OLD that
// it replaces to at.NEW. The first swap prepares a collection with both files and moves that.
// A process that ends in the middle of a swap leaves a value that nobody will read.
package main

import (
	"encoding/base64"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

func init() {
	lock.Serve(guest.About{
		Name: "webdav", Version: "1", About: "a lock in a collection on a WebDAV server whose MOVE is a rename, such as Apache",
		Parameters: []string{
			"url: of the collection, or of the one to make it in if it ends in /, such as " + example,
			"user: for basic authentication", "password: for basic authentication, as a secret",
		},
		Wants: []string{"allow: the origin of url="},
	}, open)
}

func main() {}

type register struct {
	url    string // of the collection, without a slash at its end
	header []string
}

const example = "https://dav.example/locks/"

func open(c *guest.Config) (lock.Register, error) {
	url, err := c.Need("url", "that of a collection on the server, such as "+example)
	if err != nil {
		return nil, err
	}
	if err := guest.CheckURL("url", url, example); err != nil {
		return nil, err
	}
	if _, rest, _ := strings.Cut(url, "://"); !strings.Contains(rest, "/") || strings.ContainsAny(rest, "?#") {
		return nil, guest.ErrInvalid.Say("url=" + url + ": write one with a path and nothing after it, such as " + example)
	}
	if strings.HasSuffix(url, "/") {
		url += escaped(c.Database[strings.LastIndexAny(c.Database, `/\`)+1:]) + ".lease"
	}
	r := &register{url: url}
	user, password := c.Get("user", ""), c.Get("password", "")
	switch {
	case user != "":
		r.header = []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
	case password != "":
		return nil, guest.ErrInvalid.Say("there is a password and no user=")
	}
	return r, nil
}

// escaped writes a name as a part of a URL.
func escaped(name string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"
	const hex = "0123456789ABCDEF"
	var b []byte
	for _, c := range []byte(name) {
		if strings.IndexByte(plain, c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&0xf])
		}
	}
	return string(b)
}
