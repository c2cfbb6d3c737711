package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

// What the names of the files begin with; a nonce follows.
const (
	pointer = "/at."
	content = "/value."
)

// Read lists the collection and reads a file.
func (r *register) Read() ([]byte, string, error) {
	value, trail, err := r.look()
	return value, trail.String(), err
}

// look returns what is there. A swap meanwhile has it look again: whoever lists a collection
// may see both names of a file that is being renamed, or none.
func (r *register) look() (value []byte, trail lock.Trail, err error) {
	const tries = 20
	gone := guest.ErrForeign.Say("in " + r.url + "/ is no register, or what is left of one: write another url=, or remove it when nobody has the database open")
	for range tries {
		nonces, err := r.list()
		if err != nil || nonces == nil {
			return nil, nil, err
		}
		if len(nonces) != 1 {
			continue
		}
		answer, err := r.send("GET", r.url+content+nonces[0], true, nil, "Cache-Control: no-cache", "Pragma: no-cache")
		switch {
		case err != nil:
			return nil, nil, err
		case answer.Status == 404:
			continue
		case answer.Status == 403: // also of Apache, for a file that is removed while it opens it
			gone = r.refusal("GET", answer)
			continue
		case answer.Status != 200:
			return nil, nil, r.refusal("GET", answer)
		}
		trail, value, err := lock.Unseal(answer.Body)
		if err == nil && trail[0] != nonces[0] {
			err = guest.ErrDamaged.Say("it is the value of another name: remove the collection when nobody has the database open")
		}
		if known := new(guest.Error); errors.As(err, &known) {
			return nil, nil, known.Say(r.url + content + nonces[0] + ": " + err.Error())
		}
		return value, trail, err
	}
	return nil, nil, gone
}

// list returns the nonces of the pointers, and nil if there is no collection.
func (r *register) list() ([]string, error) {
	const ask = `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`
	answer, err := r.send("PROPFIND", r.url+"/", true, []byte(ask), "Depth: 1", "Content-Type: application/xml")
	switch {
	case err != nil:
		return nil, err
	case answer.Status == 404:
		return nil, nil
	case answer.Status != 207:
		return nil, r.refusal("PROPFIND", answer)
	}
	nonces := []string{}
	for i, rest := range strings.Split(string(answer.Body), pointer) {
		nonce := rest[:min(len(rest), guest.NonceSize)]
		if _, ok := lock.ParseTrail(nonce); i > 0 && ok && nonce != "" && !slices.Contains(nonces, nonce) {
			nonces = append(nonces, nonce)
		}
	}
	return nonces, nil
}

// Swap writes a value, and makes it the present one.
func (r *register) Swap(old string, value []byte) (string, error) {
	before, ok := lock.ParseTrail(old)
	if !ok {
		return "", guest.ErrConflict // no state ever had it
	}
	mine := before.Next()
	mineAt, made := r.url, false
	var err error
	if old == "" {
		mineAt = r.url + "." + mine[0] // a collection of its own
		made, err = r.create(mineAt, mine, value)
	} else {
		made, err = r.replace(before[0], mine, value)
	}
	switch {
	case made:
		if old != "" {
			r.send("DELETE", r.url+content+before[0], true, nil)
		}
		return mine.String(), nil
	case err == nil || errors.Is(err, guest.ErrDoubt) || errors.Is(err, guest.ErrDenied):
		// What was refused may be the second of two that a proxy sent, and Apache calls it
		// forbidden to rename what is gone. As soon as another value is the present one, mine
		// cannot become it any more.
		err = r.settle(mine, err)
	}
	switch {
	case err == nil:
		return mine.String(), nil
	case errors.Is(err, guest.ErrDoubt), // it may still become the present one
		errors.Is(err, guest.ErrUnreachable): // nor would this be answered
	case old == "":
		r.send("DELETE", mineAt+"/", true, nil)
	default:
		r.send("DELETE", mineAt+content+mine[0], true, nil)
	}
	return "", err
}

// settle returns what became of a swap that did not end as it should.
func (r *register) settle(mine lock.Trail, cause error) error {
	_, present, err := r.look()
	switch {
	case err != nil && errors.Is(cause, guest.ErrDenied):
		return cause
	case err != nil:
		return guest.ErrDoubt.Say("the swap was refused or lost, and then: " + err.Error())
	}
	verdict := mine.Judge(present)
	if errors.Is(verdict, guest.ErrDoubt) && cause != nil {
		return cause
	}
	return verdict
}

// replace moves the pointer. Without an error and without success somebody was quicker.
func (r *register) replace(old string, mine lock.Trail, value []byte) (made bool, err error) {
	if ok, err := r.put(r.url+content+mine[0], lock.Seal(mine, value)); !ok || err != nil {
		return false, err
	}
	return r.move(r.url+pointer+old, r.url+pointer+mine[0])
}

// create prepares a collection and moves it to where the register is to be.
func (r *register) create(at string, mine lock.Trail, value []byte) (made bool, err error) {
	answer, err := r.send("MKCOL", at+"/", true, nil)
	if err != nil {
		return false, err
	}
	if answer.Status != 201 {
		return false, r.refusal("MKCOL", answer)
	}
	for name, body := range map[string][]byte{content: lock.Seal(mine, value), pointer: nil} {
		if ok, err := r.put(at+name+mine[0], body); !ok || err != nil {
			return false, err
		}
	}
	return r.move(at+"/", r.url+"/")
}
