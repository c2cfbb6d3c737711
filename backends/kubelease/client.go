package kubelease

import (
	"sync/atomic"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// leaseTypes has the types of Leases and of answers. client-go's own scheme has those of the
// whole of Kubernetes, and a program would link them all.
var leaseTypes = runtime.NewScheme()

func init() {
	if err := coordination.AddToScheme(leaseTypes); err != nil {
		panic(err) // two types of one name: there is but one
	}
	meta.AddToGroupVersion(leaseTypes, schema.GroupVersion{Version: "v1"})
}

// A client is one of the API server. It sends each request once, at once, and on a
// connection that ends with it if it is given up.
type client struct {
	config *rest.Config
	rest   atomic.Pointer[rest.RESTClient]
}

func connect(config *rest.Config) (*client, error) {
	c := &client{config: rest.CopyConfig(config)}
	c.config.QPS = -1
	c.config.NextProtos = []string{"http/1.1"}
	c.config.APIPath, c.config.GroupVersion = "/apis", &coordination.SchemeGroupVersion
	c.config.NegotiatedSerializer = serializer.NewCodecFactory(leaseTypes).WithoutConversion()
	return c, c.renew()
}

func (c *client) renew() error {
	client, err := rest.RESTClientFor(c.config)
	if err == nil {
		c.rest.Store(client)
	}
	return err
}

// with sends a request, and once more if the token was refused and comes from a file that
// may have another one by now: client-go reads that once in a minute. What was refused has
// had no effect.
func (c *client) with(send func(rest.Interface) error) error {
	err := send(c.rest.Load())
	if apierrors.IsUnauthorized(err) && c.config.BearerTokenFile != "" && c.renew() == nil {
		err = send(c.rest.Load())
	}
	return err
}
