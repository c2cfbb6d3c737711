package main

import (
	"errors"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/json"
)

// send asks one member after the other. A request that changes something goes to another one
// only if it was not sent.
func (r *register) send(path, body string, changes bool) (answer json.Value, err error) {
	for range r.endpoints {
		if answer, err = r.sendAs(path, body, changes); !errors.Is(err, guest.ErrUnreachable) {
			return answer, err
		}
		r.endpoints = append(r.endpoints[1:], r.endpoints[0])
	}
	return answer, err
}

// errToken is that of a token that is too old.
var errToken = guest.ErrUnreachable.Say("etcd does not take the token that it gave")

// sendAs asks the first member, as the user if there is one. A member that refuses a token
// has changed nothing; tokens expire after some minutes.
func (r *register) sendAs(path, body string, changes bool) (answer json.Value, err error) {
	const tokens = 2
	for range tokens {
		if r.user != "" && r.token == "" {
			given, err := r.post("/v3/auth/authenticate", `{"name":`+json.Quote(r.user)+`,"password":`+json.Quote(r.password)+`}`, false)
			if err != nil {
				return given, err
			}
			r.token = given.Get("token").Text()
		}
		if answer, err = r.post(path, body, changes); err != errToken {
			break
		}
		r.token = ""
	}
	return answer, err
}

// post sends one request to the first member.
func (r *register) post(path, body string, changes bool) (json.Value, error) {
	req := guest.Request{Method: "POST", URL: r.endpoints[0] + path, Body: []byte(body), Safe: !changes, Header: []string{"Content-Type: application/json"}}
	if r.token != "" {
		req.Header = append(req.Header, "Authorization: "+r.token)
	}
	answer, err := guest.Send(req)
	if err != nil {
		return json.Value{}, err
	}
	v, err := json.Parse(answer.Body)
	if err == nil && answer.Status == 200 {
		return v, nil
	}
	return v, r.refusal(answer, v, changes)
}

// Codes of gRPC that say for sure that nothing was changed.
//
// https://pkg.go.dev/google.golang.org/grpc/codes
const (
	grpcInvalidArgument    = "3"
	grpcPermissionDenied   = "7"
	grpcResourceExhausted  = "8"
	grpcFailedPrecondition = "9"
	grpcUnimplemented      = "12"
	grpcUnauthenticated    = "16"
)

// refusal is the error of an answer that is none. What etcd says of itself being busy or
// without a leader may come after it has begun.
func (r *register) refusal(answer *guest.Answer, v json.Value, changes bool) error {
	said := v.Get("message").Text()
	if said == "" {
		said = answer.String()
	}
	said = "etcd at " + r.endpoints[0] + ": " + said
	doubt := guest.ErrUnreachable
	if changes {
		doubt = guest.ErrDoubt
	}
	has := func(text string) bool { return strings.Contains(said, text) }
	switch code := v.Get("code").Text(); {
	case code == grpcPermissionDenied:
		return guest.ErrDenied.Say(said + ": the user needs readwrite on the keys " + r.name + " and " + r.name + ".version")
	case has("authentication failed"):
		return guest.ErrDenied.Say(said + ": see user= and the secret password")
	case has("user name is empty"):
		return guest.ErrDenied.Say(said + ": it wants user= and, as a secret, password")
	case has("authentication is not enabled"):
		return guest.ErrInvalid.Say(said + ": leave user= out")
	case code == grpcUnauthenticated || has("revision of auth store is old"):
		return errToken
	case has("database space exceeded"):
		// Also of a swap that it has applied.
		//
		// https://github.com/etcd-io/etcd/blob/v3.6.8/server/etcdserver/apply/apply.go
		return doubt.Say(said + ": compact and defragment it, and disarm its alarm")
	case code == grpcResourceExhausted || code == grpcFailedPrecondition || answer.Status == 429:
		return guest.ErrUnreachable.Say(said)
	case answer.Status == 401 || answer.Status == 403:
		return guest.ErrDenied.Say(said)
	case code == grpcInvalidArgument || code == grpcUnimplemented || answer.Status == 400 || answer.Status == 404 || answer.Status == 405:
		return guest.ErrInvalid.Say(said + ": is endpoint= the client port of etcd 3.5 or newer?")
	case answer.Status >= 300 && answer.Status < 400:
		return guest.ErrInvalid.Say(said + ": endpoint= is elsewhere: " + answer.Header("Location"))
	}
	return doubt.Say(said)
}
