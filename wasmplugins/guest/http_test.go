package guest

import (
	"errors"
	"testing"
)

func TestEncodeRequest(t *testing.T) {
	r := Request{Method: "PUT", URL: "https://e:1/p?q", Header: []string{"A: b", "C: d"}, Body: []byte("x\n\ny")}
	const want = "PUT https://e:1/p?q\nA: b\nC: d\n\nx\n\ny"
	if got, err := r.encode(); string(got) != want || err != nil {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	// What would end the head, or begin another line, is no request.
	for _, bad := range []Request{
		{Method: "GET", URL: "http://e\nHost: x"}, {Method: "G\r", URL: "http://e"}, {URL: "http://e"}, {Method: "GET"},
		{Method: "GET", URL: "http://e", Header: []string{"A: b\nC: d"}}, {Method: "GET", URL: "http://e", Header: []string{""}},
	} {
		if got, err := bad.encode(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v became %q, %v", bad, got, err)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	a, err := parseAnswer([]byte("207\nContent-Type: text/xml\nEtag: \"x: y\"\n\nbody\n\nmore"))
	if err != nil || a.Status != 207 || a.Header("ETag") != `"x: y"` || a.Header("content-type") != "text/xml" || a.Header("none") != "" || string(a.Body) != "body\n\nmore" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, bad := range []string{"", "200", "200\n", "OK\n\n", "\n\n"} {
		if a, err := parseAnswer([]byte(bad)); !errors.Is(err, ErrDoubt) {
			t.Errorf("%q: %+v, %v", bad, a, err)
		}
	}
}

func TestAnswerString(t *testing.T) {
	for want, a := range map[string]*Answer{
		"status 500":       {Status: 500},
		"status 404: gone": {Status: 404, Body: []byte(" gone\n")},
	} {
		if got := a.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Only a request that changes something can leave a doubt.
func TestSendError(t *testing.T) {
	for _, row := range []struct {
		n             int32
		changes, safe error
	}{
		{-1, ErrDenied, ErrDenied}, {-2, ErrUnreachable, ErrUnreachable}, {-3, ErrDoubt, ErrUnreachable},
		{-4, ErrDoubt, ErrUnreachable}, {-99, ErrDoubt, ErrUnreachable},
	} {
		r := Request{Method: "PUT", URL: "http://e/p?token=hunter2"}
		if err := r.sendError(row.n); !errors.Is(err, row.changes) {
			t.Errorf("%d: %v, want %v", row.n, err, row.changes)
		}
		r.Safe = true
		if err := r.sendError(row.n); !errors.Is(err, row.safe) {
			t.Errorf("%d, safe: %v, want %v", row.n, err, row.safe)
		}
		if name := r.name(); name != "PUT http://e/p" {
			t.Errorf("it is called %s", name)
		}
	}
}
