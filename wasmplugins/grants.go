package wasmplugins

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options say which plugin it is, what it may do and what it is told.
type Options struct {
	Path   string // of the file
	SHA256 string // of the file's bytes, in hex; "" for any

	Allow   []string          // origins that it may send HTTP requests to, such as https://etcd:2379
	Dirs    []Dir             // directories that it may use
	Secrets map[string]string // environment variable of each parameter whose value is a secret
	Params  url.Values        // the plugin's own parameters

	Memory int64         // bytes that an instance may have; 0 for [DefaultMemory]
	Limit  time.Duration // of one call; 0 for [DefaultLimit]

	// Log gets what a plugin has to say; nil for nobody.
	Log func(level slog.Level, text string)

	// Transport wraps what sends the plugin's HTTP requests, to watch or to change what becomes
	// of those that were granted; nil for no wrapper.
	Transport func(http.RoundTripper) http.RoundTripper
}

// A Dir is a directory that a plugin may use. It has the same path there.
type Dir struct {
	Path     string // absolute
	ReadOnly bool
}

// Defaults and bounds of [Options].
const (
	DefaultMemory = 64 << 20
	DefaultLimit  = 5 * time.Second

	leastMemory, mostMemory = 1 << 20, 2 << 30
)

// FromURL returns what a URL says:
//
//	wasm:///path/to/plugin.wasm?PARAMETERS
//
//	sha256=HEX            refuses any other file
//	allow=ORIGIN          lets it send HTTP requests there, such as https://etcd:2379; may be repeated
//	dir=PATH              lets it use a directory; may be repeated
//	rodir=PATH            lets it read a directory; may be repeated
//	secret=NAME:VARIABLE  gives it the value of an environment variable as its parameter NAME; may be repeated
//	memory=SIZE           that an instance may have, such as 64MB
//	limit=DURATION        of one call, such as 5s
//
// All other parameters are the plugin's own.
func FromURL(u *url.URL) (Options, error) {
	o, err := fromURL(u)
	if err != nil {
		return o, fmt.Errorf("wasmplugins: URL %q: %w", u.Redacted(), err)
	}
	return o, nil
}

func fromURL(u *url.URL) (o Options, err error) {
	if u.Opaque != "" || u.Host != "" || u.User != nil || u.Fragment != "" || u.Path == "" {
		return o, errors.New("want wasm:///path/to/plugin.wasm")
	}
	o.Path = localPath(u)
	o.Params, err = url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, err
	}
	o.Secrets = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		set, own := setters[name]
		if !own {
			continue
		}
		values := o.Params[name]
		delete(o.Params, name)
		if len(values) > 1 && !repeated[name] {
			return o, fmt.Errorf("%s is there %d times", name, len(values))
		}
		for _, value := range values {
			if err := set(&o, value); err != nil {
				return o, fmt.Errorf("%s=%s: %w", name, value, err)
			}
		}
	}
	return o, nil
}

// String returns the URL that says the same.
func (o Options) String() string {
	q := url.Values{}
	maps.Copy(q, o.Params)
	for name, values := range map[string][]string{"allow": o.Allow, "dir": o.dirs(false), "rodir": o.dirs(true)} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Secrets)) {
		q.Add("secret", name+":"+o.Secrets[name])
	}
	if o.SHA256 != "" {
		q.Set("sha256", o.SHA256)
	}
	if o.Memory != DefaultMemory && o.Memory != 0 {
		q.Set("memory", strconv.FormatInt(o.Memory, 10))
	}
	if o.Limit != DefaultLimit && o.Limit != 0 {
		q.Set("limit", o.Limit.String())
	}
	path := filepath.ToSlash(o.Path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/dir
	}
	return (&url.URL{Scheme: Scheme, Path: path, RawQuery: legible.Replace(q.Encode())}).String()
}

// legible undoes what a query may do without: people read these URLs.
var legible = strings.NewReplacer("%3A", ":", "%2F", "/")

// dirs are the paths of the directories of one kind.
func (o *Options) dirs(readOnly bool) (paths []string) {
	for _, d := range o.Dirs {
		if d.ReadOnly == readOnly {
			paths = append(paths, d.Path)
		}
	}
	return paths
}

var repeated = map[string]bool{"allow": true, "dir": true, "rodir": true, "secret": true}

// setters are the host's own parameters.
var setters = map[string]func(o *Options, value string) error{
	"sha256": func(o *Options, v string) error {
		if sum, err := hex.DecodeString(v); err != nil || len(sum) != sha256.Size {
			return errors.New("want the 64 hex digits that sha256sum prints")
		}
		o.SHA256 = strings.ToLower(v)
		return nil
	},
	"allow": func(o *Options, v string) error {
		o.Allow = append(o.Allow, v)
		return nil
	},
	"dir":   func(o *Options, v string) error { return o.addDir(v, false) },
	"rodir": func(o *Options, v string) error { return o.addDir(v, true) },
	"secret": func(o *Options, v string) error {
		name, variable, ok := strings.Cut(v, ":")
		if !ok || name == "" || variable == "" {
			return errors.New("want NAME:VARIABLE")
		}
		if o.Secrets[name] != "" {
			return fmt.Errorf("%s has two variables", name)
		}
		o.Secrets[name] = variable
		return nil
	},
	"memory": func(o *Options, v string) (err error) {
		o.Memory, err = parseSize(v)
		return err
	},
	"limit": func(o *Options, v string) (err error) {
		o.Limit, err = time.ParseDuration(v)
		return err
	},
}

func (o *Options) addDir(path string, readOnly bool) error {
	o.Dirs = append(o.Dirs, Dir{filepath.Clean(path), readOnly})
	return nil
}

func parseSize(text string) (int64, error) {
	for _, unit := range []struct {
		suffix string
		bytes  int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"", 1}} {
		number, ok := strings.CutSuffix(strings.ToUpper(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n < 0 {
			return 0, errors.New("want a size such as 64MB")
		}
		return n * unit.bytes, nil
	}
	panic("unreachable: every text has the suffix \"\"")
}

// check fills in what is not set, and refuses what cannot be.
func (o Options) check() (Options, error) {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Log == nil {
		o.Log = func(slog.Level, string) {}
	}
	if o.Memory < leastMemory || o.Memory > mostMemory {
		return o, fmt.Errorf("memory of %d bytes: want %d to %d", o.Memory, int64(leastMemory), int64(mostMemory))
	}
	if o.Limit < time.Millisecond {
		return o, fmt.Errorf("limit of %v for a call: want 1ms or more", o.Limit)
	}
	for _, d := range o.Dirs {
		if !filepath.IsAbs(d.Path) {
			return o, fmt.Errorf("granted directory %q: want an absolute path", d.Path)
		}
		s, err := os.Stat(d.Path)
		if err != nil {
			return o, fmt.Errorf("granted directory: %w", err)
		}
		if !s.IsDir() {
			return o, fmt.Errorf("granted directory %q is none", d.Path)
		}
	}
	return o, nil
}

// config returns what the plugin is told, as pairs.
func (o *Options) config(database string) ([]byte, error) {
	var b []byte
	add := func(name, value string) error {
		if strings.ContainsRune(name+value, 0) {
			return fmt.Errorf("parameter %q has a byte 0 in it", name)
		}
		b = append(append(append(append(b, name...), 0), value...), 0)
		return nil
	}
	if err := add("database", database); err != nil {
		return nil, err
	}
	told := maps.Clone(o.Params)
	if told == nil {
		told = url.Values{}
	}
	if told.Has("database") {
		return nil, errors.New("the parameter database is not to be set: it is the path of the database")
	}
	for name, variable := range o.Secrets {
		value, ok := os.LookupEnv(variable)
		if !ok {
			return nil, fmt.Errorf("secret %s: the environment has no %s", name, variable)
		}
		if told.Has(name) || name == "database" {
			return nil, fmt.Errorf("parameter %s is there twice, once as a secret", name)
		}
		told.Set(name, value)
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		for _, value := range told[name] {
			if err := add(name, value); err != nil {
				return nil, err
			}
		}
	}
	if len(b) > mostConfig {
		return nil, fmt.Errorf("a configuration of %d bytes: want up to %d", len(b), mostConfig)
	}
	return b, nil
}

const mostConfig = 64 << 10
