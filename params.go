package holdfast

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A scope says who reads a parameter.
type scope int

const (
	sqliteParam scope = iota // SQLite and its VFS: https://sqlite.org/uri.html
	driverParam              // go-sqlite3's driver
	lockParam                // which lock, and how it is kept
	placeParam               // where the files are
)

var params = map[string]scope{
	"vfs":       sqliteParam,
	"mode":      sqliteParam,
	"cache":     sqliteParam,
	"psow":      sqliteParam,
	"nolock":    sqliteParam,
	"immutable": sqliteParam,
	"modeof":    sqliteParam,

	"_pragma":  driverParam,
	"_txlock":  driverParam,
	"_timefmt": driverParam,

	"lock":    lockParam,
	"ttl":     lockParam,
	"renew":   lockParam,
	"guard":   lockParam,
	"poll":    lockParam,
	"idle":    lockParam,
	"timeout": lockParam,
	"sticky":  lockParam,
	"fence":   lockParam,
	"verify":  lockParam,

	"fs": placeParam,
}

// pragmas are those that other drivers take as parameters of their own, by the
// name or the abbreviation that they use.
var pragmas = map[string]string{
	"auto_vacuum": "auto_vacuum", "vacuum": "auto_vacuum",
	"busy_timeout":        "busy_timeout",
	"cache_size":          "cache_size",
	"case_sensitive_like": "case_sensitive_like", "cslike": "case_sensitive_like",
	"defer_foreign_keys": "defer_foreign_keys", "defer_fk": "defer_foreign_keys",
	"foreign_keys": "foreign_keys", "fk": "foreign_keys",
	"ignore_check_constraints": "ignore_check_constraints",
	"journal_mode":             "journal_mode", "journal": "journal_mode",
	"locking_mode": "locking_mode", "locking": "locking_mode",
	"mmap_size":          "mmap_size",
	"query_only":         "query_only",
	"recursive_triggers": "recursive_triggers", "rt": "recursive_triggers",
	"secure_delete": "secure_delete",
	"synchronous":   "synchronous", "sync": "synchronous",
	"temp_store":      "temp_store",
	"writable_schema": "writable_schema",
}

// pragmaOf returns the pragma that a parameter of another driver sets, or "".
func pragmaOf(key string) string {
	if key == "_timeout" { // without the underscore it is ours
		return "busy_timeout"
	}
	return pragmas[strings.TrimPrefix(key, "_")]
}

// checkParams refuses what SQLite would silently ignore. A nolock or a mode that
// does not go with the lock is refused by the VFS.
func checkParams(values url.Values) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if _, known := params[key]; !known {
			return unknownParam(key, values.Get(key))
		}
		// SQLite takes the last vfs and mode, and the first of all others.
		if key != "_pragma" && len(values[key]) > 1 {
			return fmt.Errorf("%s is given twice: %s", key, strings.Join(values[key], " and "))
		}
	}
	if v := values.Get("vfs"); v != "" && v != driverName {
		return fmt.Errorf("vfs=%s would go past the lock: leave it out, or use the driver sqlite3", v)
	}
	return nil
}

func unknownParam(key, value string) error {
	if p := pragmaOf(key); p != "" {
		return fmt.Errorf("unknown parameter %q: use _pragma=%s(%s)", key, p, value)
	}
	if near := nearest(key); near != "" {
		return fmt.Errorf("unknown parameter %q: did you mean %s?", key, near)
	}
	return fmt.Errorf("unknown parameter %q: use one of %s", key,
		strings.Join(slices.Sorted(maps.Keys(params)), ", "))
}

// nearest returns the known parameter that a misspelt one is likely to be, or "".
func nearest(key string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if d := editDistance(strings.ToLower(key), name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// editDistance is Levenshtein's: how many bytes to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
