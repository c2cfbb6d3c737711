package main

import "github.com/holdfastdb/holdfast/wasmplugins/guest"

func (r *register) send(method, url string, safe bool, body []byte, header ...string) (*guest.Answer, error) {
	return guest.Send(guest.Request{Method: method, URL: url, Header: append(header, r.header...), Body: body, Safe: safe})
}

// put writes a file that nobody else writes, so that it changes nothing if it is lost. It is
// not ok if there is no collection for it any more.
func (r *register) put(url string, body []byte) (ok bool, err error) {
	answer, err := r.send("PUT", url, true, body, "Content-Type: application/octet-stream")
	switch {
	case err != nil:
		return false, err
	case answer.Status == 404 || answer.Status == 409:
		return false, nil
	case answer.Status != 200 && answer.Status != 201 && answer.Status != 204:
		return false, r.refusal("PUT", answer)
	}
	return true, nil
}

// move is what a swap takes effect by. It is not ok if it was not to be: the source is gone or
// the destination is there.
func (r *register) move(from, to string) (ok bool, err error) {
	answer, err := r.send("MOVE", from, false, nil, "Destination: "+to, "Overwrite: F")
	switch {
	case err != nil:
		return false, err
	case answer.Status == 201 || answer.Status == 204:
		return true, nil
	case answer.Status == 404 || answer.Status == 409 || answer.Status == 412:
		return false, nil
	case answer.Status >= 500 && answer.Status != 501:
		return false, guest.ErrDoubt.Say("MOVE " + from + ": " + status(answer))
	}
	return false, r.refusal("MOVE", answer)
}

// status is that of an answer, without its page of HTML.
func status(answer *guest.Answer) string {
	return (&guest.Answer{Status: answer.Status}).String()
}

// refusal is the error of a status from which follows that nothing was changed.
func (r *register) refusal(method string, answer *guest.Answer) error {
	said := method + " below " + r.url + ": " + status(answer)
	switch answer.Status {
	case 400:
		return guest.ErrInvalid.Say(said + ": if a proxy is before the server, it must pass on the Host that it was asked for")
	case 401:
		return guest.ErrDenied.Say(said + ": see user= and the secret password")
	case 403:
		return guest.ErrDenied.Say(said + ": the user needs the right to list, read, write and move there")
	case 404, 409:
		return guest.ErrInvalid.Say(said + ": create the collection around it first")
	case 405, 501:
		return guest.ErrInvalid.Say(said + ": that is no collection of WebDAV: see url=")
	case 301, 302, 307, 308:
		return guest.ErrInvalid.Say(said + ": write url=" + answer.Header("Location"))
	case 507:
		return guest.ErrNoSpace.Say(said + ": the server has no space left")
	}
	return guest.ErrUnreachable.Say(said)
}
