package wasmplugins

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An address that nobody answers at is passed over soon, for the next one of the name; each
// that is tried was looked at before.
func TestDeadAddress(t *testing.T) {
	dead := [4]byte{127, 0, 0, 2}
	port := deaf(t, dead)
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	resolver := net.DefaultResolver
	net.DefaultResolver = fakeDNS(t, dead, [4]byte{127, 0, 0, 1})
	t.Cleanup(func() { net.DefaultResolver = resolver })
	var looked []string
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // Linux tries for two
	defer cancel()
	c, err := dialChecked(ctx, "tcp", "lock.example.com:"+port, func(_ string, a netip.Addr) error {
		looked = append(looked, a.String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if to := c.RemoteAddr().String(); to != l.Addr().String() {
		t.Errorf("it is connected to %s", to)
	}
	if diff := cmp.Diff([]string{"127.0.0.2", "127.0.0.1"}, looked); diff != "" {
		t.Errorf("addresses that were looked at (-want +got):\n%s", diff)
	}
}

// deaf returns a port of an address at which the system takes no connection any more, nor
// refuses one: nobody accepts those that were.
func deaf(t *testing.T, address [4]byte) (port string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: address}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = strconv.Itoa(at.(*syscall.SockaddrInet4).Port)
	for range 4 { // more than are taken
		c, err := net.DialTimeout("tcp4", net.JoinHostPort(netip.AddrFrom4(address).String(), port), time.Second)
		if err != nil {
			return port
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("nobody accepts, and connections are taken all the same")
	return ""
}
