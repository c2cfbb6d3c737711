package wasmplugins

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A name that was granted is no grant of this host, if it resolves to that.
func TestNameThatResolvesElsewhere(t *testing.T) {
	granted, visits := visited(t, echo)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(granted.URL, "http://"))
	resolver := net.DefaultResolver
	net.DefaultResolver = fakeDNS(t, [4]byte{127, 0, 0, 1})
	t.Cleanup(func() { net.DefaultResolver = resolver })
	origin := "http://lock.example.com:" + port
	if got := probe(t, Options{Allow: []string{origin}}, "send", "GET", origin); !strings.Contains(got, "no connection") || visits.Load() > 0 {
		t.Errorf("it got %q", got)
	}
	_, err := dialGranted(t.Context(), "tcp", "lock.example.com:"+port)
	if err == nil || !strings.Contains(err.Error(), "resolves to 127.0.0.1, which is this host") {
		t.Errorf("the error is %v", err)
	}
}

// A name stands for no address of this host, its neighbours or what a cloud keeps credentials
// at, in whatever way that is written; and for any other one.
func TestResolved(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": false, "127.1.2.3": false, "0.0.0.0": false, "::1": false, "::": false,
		"::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::127.0.0.1": false, "2002:7f00:1::1": false,
		"169.254.169.254": false, "169.254.170.2": false, "fe80::a9fe:a9fe": false, "fe80::1%eth0": false, "::ffff:169.254.169.254": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b:1::a9fe:a9fe": false, "2002:a9fe:a9fe::1": false,
		"fd00:ec2::254": false, "fd00:ec2::23": false, "fd20:ce::254": false, "fd00:c1::a9fe:a9fe": false, "fd00:42::42": false,
		"100.100.100.200": false, "168.63.129.16": false, "64:ff9b::6464:64c8": false,
		"224.0.0.1": false, "ff02::1": false,

		"192.0.2.1": true, "10.0.0.5": true, "100.64.0.1": true, "::ffff:192.0.2.1": true, "64:ff9b::c000:201": true,
		"2001:db8::1": true, "fd00::5": true, "fd00:ec3::254": true, "2002:c000:201::1": true,
	} {
		if err := checkResolved("lock.example.com", netip.MustParseAddr(address)); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// fakeDNS resolves every name to some addresses.
func fakeDNS(t *testing.T, addresses ...[4]byte) *net.Resolver {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		for buf := make([]byte, 1500); ; {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				for _, a := range addresses {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: a},
					})
				}
			}
			if b, err := m.Pack(); err == nil {
				c.WriteTo(b, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}
