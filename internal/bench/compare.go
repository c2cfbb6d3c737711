package main

import (
	"fmt"
	"runtime"
	"time"
)

// A side is one of the two things compared.
type side struct {
	open  func(path string) (*subject, error)
	reads bool // it only reads, so both sides get the same file
}

// A subject is a side with its database open.
type subject struct {
	work  func(n int) error // does n operations
	close func() error
	n     int       // operations that fill a slice; at first the least that make sense
	times []float64 // nanoseconds that one operation took, in each round
}

// compare has two sides take turns at the same work and adds a line to the
// table. The ratio is the median of those of the rounds.
func (b *bench) compare(t *table, what string, base, ours side) error {
	return b.compareIn(t, what, base, ours, nanoseconds, func(base, ours float64) float64 { return ours / base })
}

// compareIn is compare with times written in another unit and another ratio of them.
func (b *bench) compareIn(t *table, what string, base, ours side, unit func(ns float64) string, ratio func(base, ours float64) float64) error {
	subjects, err := b.measure(base, ours)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	ratios := make([]float64, b.rounds)
	for i := range ratios {
		ratios[i] = ratio(subjects[0].times[i], subjects[1].times[i])
	}
	t.row(what, unit(median(subjects[0].times)), unit(median(subjects[1].times)),
		fmt.Sprintf("**%.2f**", median(ratios)),
		fmt.Sprintf("%.2f to %.2f", quantile(ratios, 0.25), quantile(ratios, 0.75)),
		fmt.Sprintf("%.2f to %.2f", quantile(ratios, 0), quantile(ratios, 1)))
	return nil
}

// measure lets the sides take turns.
func (b *bench) measure(sides ...side) (subjects []*subject, err error) {
	dir := ""
	for _, side := range sides {
		if dir == "" || !side.reads {
			if dir, err = b.place(); err != nil {
				return nil, err
			}
		}
		s, err := side.open(dir + "/app.db")
		if err != nil {
			return nil, err
		}
		defer s.close()
		subjects = append(subjects, s)
	}
	if err := b.calibrate(subjects); err != nil {
		return nil, err
	}
	for round := range b.rounds {
		for i := range subjects {
			s := subjects[(i+round)%len(subjects)]
			took, err := b.time(s, s.n)
			if err != nil {
				return nil, err
			}
			s.times = append(s.times, float64(took.Nanoseconds())/float64(s.n))
		}
	}
	return subjects, nil
}

// calibrate warms the subjects up, and finds how many operations fill a slice.
// Subjects that are about equally fast get the same number.
func (b *bench) calibrate(subjects []*subject) error {
	for i, s := range subjects {
		if i > 0 {
			took, err := b.time(s, subjects[0].n)
			if err != nil {
				return err
			}
			if took < 2*b.slice {
				s.n = subjects[0].n
				continue
			}
		}
		if err := b.fill(s); err != nil {
			return err
		}
	}
	return nil
}

// fill finds how many operations of one subject fill a slice.
func (b *bench) fill(s *subject) error {
	least := s.n
	for ; ; s.n *= 4 {
		took, err := b.time(s, s.n)
		if err != nil {
			return err
		}
		if took > b.slice/4 {
			s.n = max(least, int(float64(s.n)*float64(b.slice)/float64(took)))
			return nil
		}
	}
}

// time has a subject do n operations.
func (b *bench) time(s *subject, n int) (time.Duration, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	runtime.GC() // nobody pays for what the one before left behind
	start := time.Now()
	err := s.work(n)
	return time.Since(start), err
}
