package wasmplugins

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// An origin is where requests may go.
type origin struct{ scheme, host, port string }

// parseOrigin returns that of a URL. The host is in lower case.
func parseOrigin(u *url.URL) (origin, error) {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	if o.port == "" || o.host == "" || u.Opaque != "" || strings.HasSuffix(o.host, ".") {
		return o, fmt.Errorf("%q: want http://HOST:PORT or https://HOST:PORT", u.Redacted())
	}
	return o, nil
}

func (o origin) String() string { return o.scheme + "://" + o.address() }

func (o origin) address() string { return net.JoinHostPort(o.host, o.port) }

// parseGrants returns the origins of [Options.Allow].
func parseGrants(allow []string) (map[origin]bool, error) {
	grants := make(map[origin]bool)
	for _, text := range allow {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("allow=%s: %w", text, err)
		}
		o, err := parseOrigin(u)
		if err != nil {
			return nil, fmt.Errorf("allow=%w", err)
		}
		if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("allow=%s: an origin ends after its port", text)
		}
		grants[o] = true
	}
	return grants, nil
}
