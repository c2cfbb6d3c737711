// Package target makes a data source name of what a command was given: a path or
// a data source name, and the flags that choose the lock.
package target

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// A Target is one database.
type Target struct {
	DSN  string // for the driver
	Name string // the base name of the file, for people
}

// Flags are the parameters of a data source name that are flags of a command.
// An empty one is not set.
type Flags struct {
	Lock string
	TTL  string
	Mode string // "ro" opens read-only
}

// Parse returns the database that db names, with the parameters of flags.
// It fails if db says something else than they do.
func Parse(db string, flags Flags) (Target, error) {
	if db == "" {
		return Target{}, errors.New("the name of the database is empty: give a path, or :memory: for a temporary one")
	}
	dsn := db
	if !strings.HasPrefix(db, "file:") {
		dsn = "file:" + Escape(db)
	}
	head, query, _ := strings.Cut(dsn, "?")
	for _, f := range []struct{ key, value string }{{"lock", flags.Lock}, {"ttl", flags.TTL}, {"mode", flags.Mode}} {
		if f.value == "" {
			continue
		}
		switch own, given := parameter(query, f.key); {
		case !given:
			query = strings.TrimPrefix(query+"&"+f.key+"="+escapeValue(f.value), "&")
		case own != f.value:
			return Target{}, fmt.Errorf("%s is given twice: %s by the flag, %s by the database's name: leave one out", f.key, f.value, own)
		}
	}
	if query != "" {
		head += "?" + query
	}
	return Target{DSN: head, Name: base(db)}, nil
}

// Escape returns a path as it is written in a data source name.
func Escape(name string) string {
	escaped := strings.NewReplacer("%2F", "/", "%3A", ":").Replace(url.PathEscape(filepath.ToSlash(name)))
	if rest, ok := strings.CutPrefix(escaped, "//"); ok {
		return "/%2F" + rest // else the next element would be taken for a host
	}
	return escaped
}

// escapeValue leaves what a lock URL is made of readable: the name is shown in
// error messages.
func escapeValue(value string) string {
	return strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "+", "%2B", " ", "%20").Replace(value)
}

func parameter(query, key string) (value string, given bool) {
	for pair := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if k != key {
			continue
		}
		if decoded, err := url.PathUnescape(v); err == nil {
			v = decoded
		}
		return v, true
	}
	return "", false
}

// base is the last element of the path of a database.
func base(db string) string {
	name, isURI := strings.CutPrefix(db, "file:")
	if isURI {
		name, _, _ = strings.Cut(name, "?")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	if name == "" || strings.HasPrefix(name, ":memory:") {
		return "memory"
	}
	return path.Base(filepath.ToSlash(name))
}
