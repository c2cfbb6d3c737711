package main

import (
	"errors"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/json"
)

// errRefused: a transaction did nothing, because of what one of its operations found.
var errRefused = errors.New("refused")

// transact returns the results of a transaction.
func (r *register) transact(changes bool, ops ...string) (json.Value, error) {
	url := r.endpoint + "/v1/txn?consistent"
	if r.dc != "" {
		url += "&dc=" + r.dc
	}
	answer, err := guest.Send(guest.Request{Method: "PUT", URL: url, Header: r.header, Body: []byte("[" + strings.Join(ops, ",") + "]"), Safe: !changes})
	if err != nil {
		return json.Value{}, err
	}
	v, err := json.Parse(answer.Body)
	if answer.Status == 200 && err == nil {
		return v.Get("Results"), nil
	}
	return json.Value{}, r.refusal(answer, v, changes)
}

// refusal is the error of an answer that is none. A server that has a problem may have begun.
func (r *register) refusal(answer *guest.Answer, v json.Value, changes bool) error {
	said := "Consul at " + r.endpoint + ": "
	what := v.Get("Errors").At(0).Get("What").Text()
	switch {
	case answer.Status == 409 && (strings.Contains(what, "index is stale") || strings.Contains(what, "doesn't exist") || strings.Contains(what, "current modify index")):
		return errRefused
	case strings.Contains(what, "ermission denied"):
		return guest.ErrDenied.Say(said + what + ": the token needs write on the keys that begin with " + r.key)
	case what != "":
		return guest.ErrInvalid.Say(said + what)
	case answer.Status == 401 || answer.Status == 403:
		return guest.ErrDenied.Say(said + answer.String() + ": it wants a token, as a secret, with write on the keys that begin with " + r.key)
	case answer.Status == 429:
		return guest.ErrUnreachable.Say(said + answer.String())
	case answer.Status >= 300 && answer.Status < 500 && answer.Status != 408:
		return guest.ErrInvalid.Say(said + answer.String() + ": is endpoint= the HTTP port of an agent of Consul 1.13 or newer?")
	case strings.Contains(answer.String(), "No path to datacenter"):
		return guest.ErrInvalid.Say(said + answer.String() + ": see dc=")
	case changes:
		return guest.ErrDoubt.Say(said + answer.String())
	}
	return guest.ErrUnreachable.Say(said + answer.String())
}
