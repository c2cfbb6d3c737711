package leasefile

import (
	"net/url"
	"testing"
)

func TestOpen(t *testing.T) {
	for text, want := range map[string]string{
		"leasefile:":                           `C:\data\app.db.lease`,
		"leasefile:///C:/locks":                `C:\locks\app.db.lease`,
		"leasefile:///C:/locks/some.lease":     `C:\locks\some.lease`,
		"leasefile://server/share/locks":       `\\server\share\locks\app.db.lease`,
		"leasefile://server/share/other.lease": `\\server\share\other.lease`,
		"leasefile:///locks":                   "", // on which drive?
		"leasefile:locks":                      "",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(u, `C:\data\app.db`)
		if (err == nil) != (want != "") || err == nil && r.dir != want {
			t.Errorf("Open(%q) = %v, %v; want %q", text, r, err, want)
		}
		if err != nil {
			continue
		}
		again, err := url.Parse(r.String())
		if err != nil {
			t.Fatal(err)
		}
		if r2, err := Open(again, `D:\other.db`); err != nil || r2.dir != r.dir {
			t.Errorf("Open(%q) = %v, %v; want %q", again, r2, err, r.dir)
		}
	}
}
