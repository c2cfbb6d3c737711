package wasmplugins

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// connectTime is how long a connection may take to be there, and as long again the handshake
// of TLS. Whoever it was for may have given up long before, but net/http does not. All
// addresses of a name share it, so that the first that is dead leaves time for the next.
const connectTime = 5 * time.Second

// dialGranted connects to a granted host. A name that was granted is not a grant of whatever
// address somebody lets it resolve to: this host itself, its neighbours by link and where
// clouds keep credentials must have been named as such.
func dialGranted(ctx context.Context, network, address string) (net.Conn, error) {
	return dialChecked(ctx, network, address, checkResolved)
}

// dialChecked connects to a host, and if that is a name to no address of it that is refused.
func dialChecked(ctx context.Context, network, address string, check func(host string, a netip.Addr) error) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: connectTime}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
		// Here it is one that is about to be connected to, whichever way it was found.
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return check(host, to.Addr())
		}
	}
	return d.DialContext(ctx, network, address)
}

// checkResolved refuses what a name must not stand for.
func checkResolved(host string, a netip.Addr) error {
	inner := embedded(a)
	if inner.IsLoopback() || inner.IsUnspecified() || inner.IsLinkLocalUnicast() || inner.IsMulticast() {
		return fmt.Errorf("%s resolves to %s, which is this host or a neighbour of it: grant that address itself, if it is meant", host, a)
	}
	for _, p := range credentials {
		if p.Contains(inner) {
			return fmt.Errorf("%s resolves to %s, where a cloud keeps credentials: grant that address itself, if it is meant", host, a)
		}
	}
	return nil
}

// credentials are where clouds keep them, besides link-local addresses.
var credentials = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),          // Amazon: instances, and pods of EKS
	netip.MustParsePrefix("fd20:ce::254/128"),       // Google
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle
	netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
	netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),       // Azure
}

// tunnels are prefixes of IPv6 whose addresses stand for one of IPv4, and where in them that is.
var tunnels = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // NAT64 of a site, RFC 8215
	{netip.MustParsePrefix("2002::/16"), 2},       // 6to4, RFC 3056
}

// embedded returns the address of IPv4 that one of IPv6 stands for, and any other as it is.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	for _, t := range tunnels {
		if t.prefix.Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[t.at:]))
		}
	}
	return a
}
