package guest

// An About says what a plugin is, for people.
type About struct {
	Name, Version string
	About         string   // one line
	Parameters    []string // "NAME: what it is"
	Wants         []string // grants, such as "allow: the origin of endpoint="
}

func (a *About) pairs() []byte {
	var b []byte
	add := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				b = append(append(append(append(b, name...), 0), v...), 0)
			}
		}
	}
	add("name", a.Name)
	add("version", a.Version)
	add("about", a.About)
	add("parameter", a.Parameters...)
	add("wants", a.Wants...)
	return b
}
