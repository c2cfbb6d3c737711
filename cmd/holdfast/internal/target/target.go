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

	"github.com/holdfastdb/holdfast"
)

// A Target is one database.
type Target struct {
	DSN  string // for the driver
	Path string // of the file; "" if there is none
	Name string // the base name of the file, for people
	Lock string // as flags or name say; "" if neither does
}

// Flags are the parameters of a data source name that are flags of a command.
// An empty one is not set.
type Flags struct {
	Lock string
	TTL  string
	Mode string // "ro" opens read-only
}

// Parse returns the database that db names, with the parameters of flags.
// It fails if db says something else than they do, or the driver refuses the name.
// That it does not says nothing about whether the database is there.
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
	for _, name := range []string{db, head} { // the first finds parameters on a bare path
		if name == db && flags.Lock != "" && strings.HasPrefix(db, "file:") {
			continue // what is right with that lock may be wrong without
		}
		pool, err := holdfast.Open(name, holdfast.Options{})
		if err != nil {
			return Target{}, err
		}
		pool.Close()
	}
	t := Target{DSN: head, Path: filePath(db), Name: "memory"}
	t.Lock, _ = parameter(query, "lock")
	if t.Path != "" {
		t.Name = path.Base(filepath.ToSlash(t.Path))
	}
	return t, nil
}

// WithVFS is the name for a program that has SQLite itself open the database.
func (t Target) WithVFS() string {
	separator := "?"
	if strings.Contains(t.DSN, "?") {
		separator = "&"
	}
	return t.DSN + separator + "vfs=holdfast"
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

// filePath is the path of a database.
func filePath(db string) string {
	name, isURI := strings.CutPrefix(db, "file:")
	if isURI {
		name, _, _ = strings.Cut(name, "?")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	if strings.HasPrefix(name, ":memory:") {
		return ""
	}
	return name
}
