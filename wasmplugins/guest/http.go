package guest

import (
	"bytes"
	"strconv"
	"strings"
)

// A Request is one over HTTP, to an origin that was granted.
type Request struct {
	Method, URL string
	Header      []string // "Name: value"
	Body        []byte
	Safe        bool // it changes nothing, so that no answer is no doubt
}

// An Answer is what came back.
type Answer struct {
	Status int
	header []string
	Body   []byte // until the next request
}

// Header returns the first value of a header, in whatever case it is written, or "".
func (a *Answer) Header(name string) string {
	for _, line := range a.header {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// String shows the answer in an error: its status, and the beginning of its body.
func (a *Answer) String() string {
	const most = 200
	text := "status " + strconv.Itoa(a.Status)
	if body := strings.TrimSpace(string(a.Body[:min(len(a.Body), most)])); body != "" {
		text += ": " + body
	}
	return text
}

// name is what the request is called in an error.
func (r *Request) name() string {
	url, _, _ := strings.Cut(r.URL, "?")
	return r.Method + " " + url
}

// encode writes the request as the host reads it.
func (r *Request) encode() ([]byte, error) {
	for _, line := range append([]string{r.Method, r.URL}, r.Header...) {
		if line == "" || strings.ContainsAny(line, "\r\n") {
			return nil, ErrInvalid.Say("the request " + strconv.Quote(r.name()) + " has a line that is empty, or two")
		}
	}
	b := append(make([]byte, 0, 512+len(r.Body)), r.Method+" "+r.URL+"\n"...)
	for _, line := range r.Header {
		b = append(append(b, line...), '\n')
	}
	return append(append(b, '\n'), r.Body...), nil
}

// parseAnswer reads what the host wrote.
func parseAnswer(text []byte) (*Answer, error) {
	head, body, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	status, err := strconv.Atoi(lines[0])
	if !ok || err != nil {
		return nil, ErrDoubt.Say("an answer that the host has not written")
	}
	return &Answer{status, lines[1:], body}, nil
}

// sendError is what a negative length means.
func (r *Request) sendError(n int32) error {
	doubt := ErrDoubt
	if r.Safe {
		doubt = ErrUnreachable
	}
	switch n {
	case -1:
		return ErrDenied.Say(r.name() + ": the host refuses it")
	case -2:
		return ErrUnreachable.Say(r.name() + ": no connection")
	case -4:
		return doubt.Say(r.name() + ": the answer is too long")
	}
	return doubt.Say(r.name() + ": no answer to what was sent")
}
