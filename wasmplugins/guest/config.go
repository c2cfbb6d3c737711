package guest

import (
	"slices"
	"strings"
)

// A Config is what the host tells a plugin when it opens it.
type Config struct {
	Database string // absolute path of the database
	params   []param
	asked    []string // names of parameters
}

type param struct {
	name, value string
	used        bool
}

// parseConfig reads the pairs of the interface.
func parseConfig(b []byte) *Config {
	c := new(Config)
	texts := strings.Split(string(b), "\x00")
	for i := 0; i+1 < len(texts); i += 2 {
		if i == 0 {
			c.Database = texts[1]
			continue
		}
		c.params = append(c.params, param{name: texts[i], value: texts[i+1]})
	}
	return c
}

// find returns up to so many values of a parameter.
func (c *Config) find(name string, most int) (values []string) {
	if !slices.Contains(c.asked, name) {
		c.asked = append(c.asked, name)
	}
	for i := range c.params {
		if p := &c.params[i]; p.name == name && len(values) < most {
			p.used = true
			values = append(values, p.value)
		}
	}
	return values
}

// Get returns the value of a parameter, or another if it was not given.
func (c *Config) Get(name, otherwise string) string {
	if all := c.find(name, 1); len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// Need returns the value of a parameter, or an [ErrInvalid] that says what it is.
func (c *Config) Need(name, what string) (string, error) {
	if v := c.Get(name, ""); v != "" {
		return v, nil
	}
	return "", ErrInvalid.Say(name + "= is missing: it is " + what)
}

// All returns every value of a parameter.
func (c *Config) All(name string) []string { return c.find(name, len(c.params)) }

// Done returns an [ErrInvalid] for a parameter that nobody asked for. It is called when a
// plugin has opened.
func (c *Config) Done() error {
	i := slices.IndexFunc(c.params, func(p param) bool { return !p.used })
	switch {
	case i < 0:
		return nil
	case slices.Contains(c.asked, c.params[i].name):
		return ErrInvalid.Say(c.params[i].name + "= is there more than once")
	}
	return ErrInvalid.Say("unknown parameter " + c.params[i].name + "=; there are " + strings.Join(c.asked, "=, ") + "=")
}

// CheckURL returns an [ErrInvalid] if the value of a parameter is no URL of HTTP, which says
// what one looks like.
func CheckURL(name, value, example string) error {
	if strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "https://") {
		return nil
	}
	return ErrInvalid.Say(name + "=" + value + ": write a URL such as " + example)
}
