package holdfast

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfastdb/holdfast/internal/fstype"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/vfs"
)

// lockVariable is the environment variable that sets the default lock.
const lockVariable = "HOLDFAST_LOCK"

const (
	autoScheme  = "auto"      // see choice.resolve
	flockScheme = "flock"     // the one lock that has no lease
	leaseScheme = "leasefile" // what auto takes where flock cannot be trusted
)

// leaseSuffix is what backends/leasefile appends to the path of a database.
const leaseSuffix = ".lease"

// A choice says which lock a database has. Two choices that are equal can be
// served by one locker.
type choice struct {
	lock     string          // URL, with nothing in it that the other fields say
	opts     locking.Options // with all defaults filled in; Log and Storage are nil
	unfenced bool            // a lease does without a fence
}

// chooseLock reads the lock from the parameters of a database, or else from the
// environment. It looks at no file.
func chooseLock(values url.Values) (choice, error) {
	text, name := values.Get("lock"), "lock"
	if text == "" {
		text, name = os.Getenv(lockVariable), lockVariable
	}
	if text == "" {
		text = autoScheme
	}
	u, err := parseLock(text)
	if err != nil {
		return choice{}, fmt.Errorf("%s=%s: %w", name, text, err)
	}
	settings := takeSettings(u)
	if settings.Has("verify") {
		return choice{}, fmt.Errorf("%s=%s: verify is a parameter of the data source name: write it there", name, text)
	}
	c := choice{lock: u.String()}
	fromDSN := lockSettings(values)
	if u.Scheme == flockScheme {
		if name == "lock" {
			maps.Copy(settings, fromDSN)
		}
		if len(settings) > 0 {
			return c, fmt.Errorf("%s=%s has no lease, so %s means nothing: leave it out, or use lock=%s",
				name, text, slices.Sorted(maps.Keys(settings))[0], leaseScheme)
		}
		return c, nil
	}
	maps.Copy(settings, fromDSN)
	if c.unfenced, err = parseFence(settings); err != nil {
		return c, err
	}
	c.opts, err = parseSettings(settings)
	return c, err
}

// parseFence reads what the parameters say of the fence. How often it is asked is
// for the VFS to know; here it is only checked.
func parseFence(settings url.Values) (unfenced bool, err error) {
	fence, err := oneOf(settings, "fence", "on", "off")
	if err == nil {
		_, err = oneOf(settings, "verify", "commit", "read")
	}
	unfenced = fence == "off"
	if err == nil && unfenced && settings.Has("verify") {
		err = errors.New("verify means nothing with fence=off: leave one of them out")
	}
	return unfenced, err
}

// oneOf takes a parameter that has one of two values; without it, the first.
func oneOf(settings url.Values, key, first, second string) (string, error) {
	value := settings.Get(key)
	if !settings.Has(key) {
		value = first
	}
	if value != first && value != second {
		return "", fmt.Errorf("%s=%s: write %s or %s", key, value, first, second)
	}
	return value, nil
}

// parseLock reads a lock URL, or just its scheme, and checks that there is such
// a backend.
func parseLock(text string) (*url.URL, error) {
	u, err := splitLock(text)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "" {
		return nil, fmt.Errorf("not a lock URL: write one such as %s or %[1]s:///some/directory", leaseScheme)
	}
	if u.Scheme == autoScheme {
		return u, nil
	}
	_, err = locking.FindBackend(u.Scheme)
	return u, err
}

func splitLock(text string) (*url.URL, error) {
	scheme, query, _ := strings.Cut(text, "?")
	if !strings.ContainsAny(scheme, ":/") {
		return &url.URL{Scheme: strings.ToLower(scheme), RawQuery: query}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	return u, nil
}

// takeSettings takes the options of the lease out of a lock URL. The rest of its
// query is the backend's.
func takeSettings(u *url.URL) url.Values {
	query := u.Query()
	settings := lockSettings(query)
	if len(settings) > 0 {
		for key := range settings {
			query.Del(key)
		}
		u.RawQuery = query.Encode()
	}
	return settings
}

// lockSettings returns those parameters that say how a lease is kept.
func lockSettings(values url.Values) url.Values {
	settings := url.Values{}
	for key, value := range values {
		if scope, known := params[key]; known && scope == lockParam && key != "lock" {
			settings[key] = value
		}
	}
	return settings
}

// parseSettings makes options of the parameters, except for those of the fence.
func parseSettings(settings url.Values) (opts locking.Options, err error) {
	durations := map[string]*time.Duration{
		"ttl":     &opts.TTL,
		"renew":   &opts.Renew,
		"guard":   &opts.Guard,
		"poll":    &opts.Poll,
		"idle":    &opts.Idle,
		"timeout": &opts.Timeout,
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		d, ok := durations[key]
		if !ok {
			continue
		}
		value := settings.Get(key)
		if *d, err = parseDuration(value); err != nil {
			return opts, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	sticky, err := oneOf(settings, "sticky", "on", "off")
	if err != nil {
		return opts, err
	}
	if sticky == "off" {
		if settings.Has("idle") {
			return opts, errors.New("idle means nothing with sticky=off: leave one of them out")
		}
		opts.Idle = -1
	}
	opts, err = opts.Effective()
	opts.Log = nil
	return opts, err
}

func parseDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return 0, errors.New("not a duration: write one such as 15s or 500ms")
	case d <= 0:
		return 0, errors.New("must be positive: write a duration such as 15s or 500ms")
	}
	return d, nil
}

// automatic reports whether nobody named a lock.
func (c choice) automatic() bool { return strings.HasPrefix(c.lock, autoScheme+":") }

// resolve replaces auto by the lock that suits the database at path: the lease
// file if its register lies there already or the file system is shared between
// hosts, or else the kernel's. It does not choose for a database that is marked as
// used with a lease that lies elsewhere, or is gone.
func (c choice) resolve(v *vfs.VFS, path string) (choice, error) {
	if !c.automatic() {
		return c, nil
	}
	lease := strings.Replace(c.lock, autoScheme, leaseScheme, 1)
	switch _, err := os.Lstat(path + leaseSuffix); {
	case err == nil:
		return choice{lease, c.opts, c.unfenced}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("choose a lock: %w", err)
	}
	switch m, err := v.ReadMarker(path); {
	case err == nil:
		return c, fmt.Errorf("it is used with lock=%s, says %q: name that lock, since auto cannot know of it", m.Lock, markerOf(path))
	case !errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("choose a lock: %w", err)
	}
	files, err := fstype.Of(path)
	if err != nil {
		return c, fmt.Errorf("choose a lock: %w; name one with lock=", err)
	}
	if files.Network {
		return choice{lease, c.opts, c.unfenced}, nil
	}
	return choice{lock: flockScheme + ":"}, nil
}

// open opens the lock of a database that lies in a storage, which a lease needs to
// keep to the fence.
func (c choice) open(ctx context.Context, path string, storage locking.Storage) (locking.Locker, error) {
	u, err := url.Parse(c.lock)
	if err != nil {
		return nil, err
	}
	backend, err := locking.FindBackend(u.Scheme)
	if err != nil {
		return nil, err
	}
	opts := c.opts
	if !c.unfenced {
		opts.Storage = storage
	}
	return backend(ctx, u, path, opts)
}

// String tells the choice to people.
func (c choice) String() string {
	text := strings.TrimSuffix(c.lock, ":")
	if c.opts.TTL != 0 {
		text += fmt.Sprintf(" with ttl %v", c.opts.TTL)
	}
	return text
}
