package guest

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func config(texts ...string) *Config {
	return parseConfig([]byte(strings.Join(texts, "\x00") + "\x00"))
}

func TestConfig(t *testing.T) {
	c := config("database", "/data/app.db", "endpoint", "a", "endpoint", "b", "key", "", "other", "x=y")
	if c.Database != "/data/app.db" || c.Get("other", "") != "x=y" || c.Get("key", "z") != "" || c.Get("none", "z") != "z" {
		t.Errorf("parsed %+v", c)
	}
	if all := c.All("endpoint"); !slices.Equal(all, []string{"a", "b"}) {
		t.Errorf("endpoint= is %q", all)
	}
	if err := c.Done(); err != nil {
		t.Error(err)
	}
	if _, err := c.Need("key", "a key"); !errors.Is(err, ErrInvalid) || err.Error() != "key= is missing: it is a key" {
		t.Errorf("an empty key: %v", err)
	}
}

func TestConfigNotUsed(t *testing.T) {
	for says, c := range map[string]*Config{
		"unknown parameter kye=; there are key=": config("database", "/d", "kye", "x", "key", "y"),
		"key= is there more than once":           config("database", "/d", "key", "x", "key", "y"),
	} {
		c.Get("key", "")
		if err := c.Done(); !errors.Is(err, ErrInvalid) || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// Whatever bytes come, nothing breaks.
func TestConfigOfAnything(t *testing.T) {
	for _, b := range []string{"", "\x00", "x", "database\x00", "database\x00/d\x00odd", "\x00\x00\x00"} {
		parseConfig([]byte(b)).Done()
	}
}
