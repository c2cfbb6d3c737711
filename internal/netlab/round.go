//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/machine"
)

// A round is one fault, and all databases that meet it at the same time.
type round struct {
	lab      *lab
	fault    fault
	subjects []*subject
}

// What a round takes besides its fault.
const (
	before = 8 * time.Second // everybody works
	after  = 8 * time.Second // everybody works again
)

func (r *round) machine(client int) *machine.Machine { return r.lab.cluster.Clients[client] }

// each does something to every subject at once.
func (r *round) each(do func(*subject) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(r.subjects))
	for i, s := range r.subjects {
		all.Go(func() { errs[i] = do(s) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// run returns what became of each subject.
func (r *round) run(ctx context.Context) ([]verdict, error) {
	defer func() {
		for _, s := range r.subjects {
			s.kill()
		}
	}()
	verdicts := make([]verdict, len(r.subjects))
	for i, s := range r.subjects {
		if err := s.begin(ctx, r.lab.seed+uint64(i)); err != nil {
			return nil, err
		}
	}
	err := r.each(func(s *subject) error { return errors.Join(s.join(ctx, victim), s.join(ctx, other)) })
	if err == nil {
		err = sleep(ctx, before)
	}
	if err != nil {
		return nil, err
	}
	marks := make([]time.Duration, len(r.subjects))
	for i, s := range r.subjects {
		marks[i] = s.history.Now()
	}
	if err := r.fault.do(ctx, r); err != nil {
		return nil, fmt.Errorf("%s: %w", r.fault.name, err)
	}
	if err := sleep(ctx, after); err != nil {
		return nil, err
	}
	i := make(map[*subject]int)
	for k, s := range r.subjects {
		i[s] = k
	}
	return verdicts, r.each(func(s *subject) error {
		wrong, err := s.end(ctx)
		verdicts[i[s]] = judge(s, r.fault, wrong, marks[i[s]])
		return err
	})
}
