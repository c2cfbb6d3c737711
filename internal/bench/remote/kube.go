package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/holdfastdb/holdfast/backends/kubelease"
	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

func kubeSides(context.Context) ([]*side, error) {
	s, err := testservers.StartShared(testservers.Kube)
	if err != nil {
		return nil, err
	}
	ca, err := s.CertificateAuthority()
	if err != nil {
		return nil, err
	}
	config := &rest.Config{Host: s.URL(), BearerToken: testservers.AdminToken, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	ours := holdfast("kubelease", func(name string) (locking.Register, error) { return kubelease.New(config, "default", name) })
	slow, err := elected("client-go leader election", config)
	if err != nil {
		return nil, err
	}
	unlimited := rest.CopyConfig(config)
	unlimited.QPS = -1
	quick, err := elected("the same, without its limit of requests", unlimited)
	return []*side{ours, slow, quick}, err
}

// elected is the side of client-go's leader election, with the retry period of 200 ms: its
// default of 2 s is what a hand-over would wait for.
func elected(name string, config *rest.Config) (*side, error) {
	client, err := typed.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var n atomic.Int64
	return &side{name: name, round: func(ctx context.Context, note func(string, time.Duration)) error {
		lease := fmt.Sprintf("elected-%s-%d", map[bool]string{true: "quick", false: "slow"}[config.QPS < 0], n.Add(1))
		lock := func(who string) *resourcelock.LeaseLock {
			return &resourcelock.LeaseLock{LeaseMeta: meta.ObjectMeta{Namespace: "default", Name: lease}, Client: client, LockConfig: resourcelock.ResourceLockConfig{Identity: who}}
		}
		a, err := elect(ctx, lock("a"))
		if err != nil {
			return err
		}
		if err := timed(note, acquire, a.leads); err != nil {
			return err
		}
		b, err := elect(ctx, lock("b"))
		if err != nil {
			return err
		}
		// It has no way to ask: the holder leaves by itself, and the other finds out.
		err = timed(note, handOver, func() error {
			if err := timed(note, release, a.leave); err != nil {
				return err
			}
			return b.leads()
		})
		if err != nil {
			return err
		}
		if err := b.leave(); err != nil {
			return err
		}
		l := lock("c")
		record, _, err := l.Get(ctx)
		if err != nil {
			return err
		}
		return timed(note, renew, func() error { return l.Update(ctx, *record) })
	}}, nil
}

// A candidate takes part in an election.
type candidate struct {
	cancel context.CancelFunc
	led    chan struct{}
	ended  chan struct{}
	ctx    context.Context
}

func elect(ctx context.Context, lock resourcelock.Interface) (*candidate, error) {
	c := &candidate{led: make(chan struct{}), ended: make(chan struct{}), ctx: ctx}
	e, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(c.led) }, OnStoppedLeading: func() {}},
	})
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(ctx)
	c.cancel = cancel
	go func() {
		defer close(c.ended)
		e.Run(run)
	}()
	return c, nil
}

func (c *candidate) leads() error {
	select {
	case <-c.led:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func (c *candidate) leave() error {
	c.cancel()
	<-c.ended
	return c.ctx.Err()
}
