// Package sent tells whether an HTTP request may have left this process.
package sent

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// Trace returns a context for one request, and what to ask after it has failed: whether a
// connection was ever there for it to go out on. If none was, the request had no effect
// and never will.
func Trace(ctx context.Context) (context.Context, func() bool) {
	var connected atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), connected.Load
}
