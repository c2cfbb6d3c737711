package main

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/json"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/lock"
)

// A state is what the keys say. That of a register that was never written has no trail.
type state struct {
	value    []byte
	revision string
	trail    lock.Trail
}

func (s state) text() string {
	if len(s.trail) == 0 {
		return ""
	}
	return s.revision + " " + s.trail.String()
}

// get is a part of a transaction that reads a key.
func get(key string) string { return `{"request_range":{"key":"` + key + `"}}` }

// put is one that writes it. The value is in base64, as all of etcd's bytes.
func put(key, value string) string {
	return `{"request_put":{"key":"` + key + `","value":"` + value + `"}}`
}

// Read asks for both keys at once.
func (r *register) Read() ([]byte, string, error) {
	answer, err := r.send("/v3/kv/txn", `{"success":[`+get(r.key)+`,`+get(r.version)+`]}`, false)
	if err != nil {
		return nil, "", err
	}
	s, err := r.state(answer)
	return s.value, s.text(), err
}

// state takes the answer to a transaction apart that read both keys.
func (r *register) state(answer json.Value) (s state, err error) {
	parts := answer.Get("responses")
	record, version := parts.At(0).Get("response_range").Get("kvs").At(0), parts.At(1).Get("response_range").Get("kvs").At(0)
	// Members of the value 0 are left out of the answer.
	here, marked := record.Get("mod_revision").Text(), version.Get("mod_revision").Text()
	switch {
	case parts.Len() != 2 || answer.Get("header").Get("revision").Text() == "":
		return s, guest.ErrUnreachable.Say("etcd answered something else than it was asked for")
	case here == "" && marked == "":
		return s, nil
	case here != marked:
		return s, guest.ErrForeign.Say("the keys " + r.name + " and " + r.name + ".version are not of one write: name another key, or remove both when nobody has the database open")
	}
	value, err := base64.StdEncoding.DecodeString(record.Get("value").Text())
	if err != nil {
		return s, guest.ErrUnreachable.Say("etcd answered a value that is not base64")
	}
	text, err := base64.StdEncoding.DecodeString(version.Get("value").Text())
	trail, ok := lock.ParseTrail(string(text))
	if err != nil || !ok || len(trail) == 0 {
		return s, guest.ErrForeign.Say("the key " + r.name + ".version was not written by this plugin: name another key, or remove both when nobody has the database open")
	}
	return state{value, here, trail}, nil
}

// parseVersion is the inverse of text, without the value.
func parseVersion(version string) (s state, ok bool) {
	if version == "" {
		return s, true
	}
	revision, text, _ := strings.Cut(version, " ")
	trail, ok := lock.ParseTrail(text)
	if strings.Trim(revision, "0123456789") != "" {
		ok = false
	}
	return state{nil, revision, trail}, ok && revision != "" && len(trail) > 0
}

// Swap is one transaction, which reads if it does not write.
func (r *register) Swap(old string, value []byte) (string, error) {
	s, ok := parseVersion(old)
	if !ok {
		return "", guest.ErrConflict // no state ever had it
	}
	compare := `{"key":"` + r.key + `","target":"CREATE","create_revision":"0"},{"key":"` + r.version + `","target":"CREATE","create_revision":"0"}`
	if old != "" {
		compare = `{"key":"` + r.key + `","target":"MOD","mod_revision":"` + s.revision + `"},{"key":"` + r.version + `","target":"VALUE","value":"` + encode(s.trail.String()) + `"}`
	}
	mine := s.trail.Next()
	answer, err := r.send("/v3/kv/txn", `{"compare":[`+compare+`],"success":[`+
		put(r.key, base64.StdEncoding.EncodeToString(value))+`,`+put(r.version, encode(mine.String()))+`],"failure":[`+
		get(r.key)+`,`+get(r.version)+`]}`, true)
	if err != nil {
		return "", err
	}
	if answer.Get("succeeded").True() {
		revision := answer.Get("header").Get("revision").Text()
		if revision == "" {
			return "", guest.ErrDoubt.Say("etcd answered a swap without its revision")
		}
		return state{nil, revision, mine}.text(), nil
	}
	present, err := r.state(answer)
	if errors.Is(err, guest.ErrUnreachable) {
		err = guest.ErrDoubt.Say(err.Error()) // nor does it say that nothing was written
	}
	if err != nil {
		return "", err
	}
	return present.text(), mine.Judge(present.trail)
}
