package kubelease

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/holdfastdb/holdfast/locking"
)

// Scheme is the scheme of the lock URLs of this package.
const Scheme = "k8s"

func init() {
	open := locking.LeaseBackend(func(_ context.Context, u *url.URL, _ string) (locking.Register, error) { return Open(u) })
	locking.RegisterBackend(Scheme, func(ctx context.Context, u *url.URL, database string, opts locking.Options) (locking.Locker, error) {
		if opts.TTL%time.Second != 0 {
			return nil, fmt.Errorf("kubelease: ttl=%v: a Lease counts whole seconds: write one such as ttl=%v", opts.TTL, opts.TTL.Truncate(time.Second)+time.Second)
		}
		return open(ctx, u, database, opts)
	})
}

// Open returns the register that a lock URL names. It sends no request.
//
//	k8s://NAMESPACE/NAME   that Lease
//	k8s:///NAME            that Lease in the namespace of the pod, or of the context
//
//	context=NAME           of the kubeconfig; otherwise its current one
//	kubeconfig=PATH        otherwise $KUBECONFIG, ~/.kube/config, or in a pod its ServiceAccount
//
// The ttl must be whole seconds, since that is what a Lease can say.
func Open(u *url.URL) (*Register, error) {
	r, err := open(u)
	if err != nil {
		return nil, fmt.Errorf("kubelease: lock URL %q: %w", u.Redacted(), err)
	}
	return r, nil
}

func open(u *url.URL) (*Register, error) {
	namespace, name := u.Host, strings.TrimPrefix(u.Path, "/")
	if u.Opaque != "" || u.User != nil || u.Fragment != "" || name == "" {
		return nil, errors.New("want k8s://NAMESPACE/NAME, or k8s:///NAME")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	rules, overrides := clientcmd.NewDefaultClientConfigLoadingRules(), new(clientcmd.ConfigOverrides)
	for _, key := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(key)
		switch key {
		case "context":
			overrides.CurrentContext = value
		case "kubeconfig":
			rules.ExplicitPath = value
		default:
			return nil, fmt.Errorf("unknown parameter %q: a Kubernetes lease has context and kubeconfig; those of every lease are ttl, renew, guard, poll, idle, timeout and sticky", key)
		}
		if value == "" {
			return nil, fmt.Errorf("%s is empty: leave it out, or write which one", key)
		}
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, fmt.Errorf("%q cannot be the name of a Lease: %s", name, strings.Join(problems, "; "))
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("no cluster: this is no pod with a ServiceAccount, and there is no kubeconfig; set KUBECONFIG, or write kubeconfig=")
	}
	if err != nil {
		return nil, err
	}
	if namespace == "" {
		if namespace, _, err = loader.Namespace(); err != nil {
			return nil, err
		}
	}
	if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
		return nil, fmt.Errorf("%q cannot be the name of a namespace: %s", namespace, strings.Join(problems, "; "))
	}
	r, err := New(config, namespace, name)
	if err != nil {
		return nil, err
	}
	full := *u
	full.Host = namespace
	r.name = full.String()
	return r, nil
}

// New returns the register in a Lease, for a configuration of client-go that the caller
// made. Of that, the limit of requests and the protocol are not used: see the package.
func New(config *rest.Config, namespace, name string) (*Register, error) {
	client, err := connect(config)
	if err != nil {
		return nil, fmt.Errorf("kubelease: %w", err)
	}
	u := url.URL{Scheme: Scheme, Host: namespace, Path: "/" + name}
	return &Register{client: client, namespace: namespace, lease: name, name: u.String()}, nil
}
