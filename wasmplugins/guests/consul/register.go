package main

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/json"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

const (
	mostKey      = 512
	nonceExample = "0123456789abcdef"
)

// markers is what the keys begin with that name the latest write.
func (r *register) markers() string { return r.key + ".version/" }

func (r *register) marker(nonce string) string { return r.markers() + nonce }

// A state is what the keys say. That of a register that was never written has no trail.
type state struct {
	value []byte
	index string
	trail lock.Trail
}

func (s state) text() string {
	if len(s.trail) == 0 {
		return ""
	}
	return s.index + " " + s.trail.String()
}

// parseVersion is the inverse of text, without the value.
func parseVersion(version string) (s state, ok bool) {
	if version == "" {
		return state{index: "0"}, true
	}
	index, text, _ := strings.Cut(version, " ")
	trail, ok := lock.ParseTrail(text)
	if strings.Trim(index, "0123456789") != "" {
		ok = false
	}
	return state{nil, index, trail}, ok && index != "" && index != "0" && len(trail) > 0
}

// operation is a part of a transaction. Without an index it has none.
func operation(verb, key, index string, value []byte) string {
	text := `{"KV":{"Verb":"` + verb + `","Key":` + json.Quote(key)
	if index != "" {
		text += `,"Index":` + index
	}
	if value != nil {
		text += `,"Value":"` + base64.StdEncoding.EncodeToString(value) + `"`
	}
	return text + `}}`
}

// Read asks for the key and its marker at once.
func (r *register) Read() ([]byte, string, error) {
	s, err := r.look()
	return s.value, s.text(), err
}

func (r *register) look() (s state, err error) {
	results, err := r.transact(false, operation("get", r.key, "", nil), operation("get-tree", r.markers(), "", nil))
	if errors.Is(err, errRefused) {
		return s, nil // there is no such key
	}
	if err != nil {
		return s, err
	}
	record := results.At(0).Get("KV")
	if record.Get("Key").Text() != r.key { // Consul leaves out what one may not read
		return s, guest.ErrDenied.Say("Consul at " + r.endpoint + ": the token may not read the key " + r.key)
	}
	envelope, err := base64.StdEncoding.DecodeString(record.Get("Value").Text())
	if err != nil {
		return s, guest.ErrUnreachable.Say("Consul answered a value that is not base64")
	}
	s.index = record.Get("ModifyIndex").Text()
	if s.trail, s.value, err = lock.Unseal(envelope); err != nil {
		return state{}, named(r.key, err)
	}
	marker := results.At(1).Get("KV")
	if results.Len() != 2 || marker.Get("Key").Text() != r.marker(s.trail[0]) || marker.Get("ModifyIndex").Text() != s.index {
		return state{}, guest.ErrForeign.Say("the key " + r.key + " and those below " + r.markers() + " are not of one write, or the token may not read the latter: remove them all when nobody has the database open")
	}
	return s, nil
}

// named says which key an error is about.
func named(key string, err error) error {
	if known := new(guest.Error); errors.As(err, &known) {
		return known.Say("the key " + key + ": " + err.Error())
	}
	return err
}

// Swap writes the key if its index and marker are those of the old version.
func (r *register) Swap(old string, value []byte) (string, error) {
	before, ok := parseVersion(old)
	if !ok {
		return "", guest.ErrConflict // no state ever had it
	}
	mine := before.trail.Next()
	var ops []string
	if old != "" {
		ops = append(ops, operation("check-index", r.marker(before.trail[0]), before.index, nil))
	}
	ops = append(ops, operation("cas", r.key, before.index, lock.Seal(mine, value)),
		operation("delete-tree", r.markers(), "", nil), operation("set", r.marker(mine[0]), "", []byte{}))
	results, err := r.transact(true, ops...)
	if errors.Is(err, errRefused) {
		present, err := r.look()
		if err != nil {
			return "", in(guest.ErrDoubt, err)
		}
		return present.text(), mine.Judge(present.trail)
	}
	if err != nil {
		return "", err
	}
	after := state{nil, results.At(results.Len() - 1).Get("KV").Get("ModifyIndex").Text(), mine}
	if after.index == "" {
		return "", guest.ErrDoubt.Say("Consul answered a swap without its index")
	}
	return after.text(), nil
}

// in returns an error of a kind for what a look found after a refusal.
func in(kind *guest.Error, err error) error {
	if errors.Is(err, guest.ErrForeign) {
		return err
	}
	return kind.Say("the swap was refused, and then: " + err.Error())
}
