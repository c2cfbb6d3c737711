package wasmplugins

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// A Description says what a plugin is. Its texts are the plugin's own words, each cut to one printable
// line: they are for people, and promise nothing.
type Description struct {
	Path     string
	Size     int    // of the file, in bytes
	SHA256   string // of the file, in hex
	Lock, FS bool   // what it brings
	Exports  []string
	Imports  []string // of each module, its name and those of what is imported

	Oldest, Newest uint32 // versions of the interface that it speaks
	Memory         int64  // bytes that an instance has when it begins

	Name, Version, About string
	Parameters           []string // NAME: what it is
	Wants                []string // grants
}

// Bounds of what is shown of a plugin's own words.
const (
	mostAbout    = 64 << 10
	mostEntries  = 100
	mostLineText = 200
)

// Describe looks at a plugin, and has an instance, which is opened for nothing, tell about itself.
// It returns an [ErrBroken] if that does not do as it must; what is known without running it is
// there also then.
func (p *Plugin) Describe(ctx context.Context) (Description, error) {
	info := Description{Path: p.options.Path, Size: p.size, SHA256: p.sum, Lock: p.IsLock(), FS: p.IsFS()}
	for _, name := range exported(p.code) {
		info.Exports = appendLine(info.Exports, name)
	}
	info.Imports = p.imports()
	i, err := p.start(ctx)
	if err == nil {
		defer i.close(errPoolClosed)
		info.Memory = int64(i.module.Memory().Size())
		err = i.tell(ctx, &info)
	}
	if err != nil {
		return info, fmt.Errorf("wasmplugins: %s: %w", p.name, err)
	}
	return info, nil
}

// imports are the imported functions by module. Compilers import some more than once.
func (p *Plugin) imports() (lines []string) {
	byModule := map[string][]string{}
	for _, def := range p.code.ImportedFunctions() {
		module, name, _ := def.Import()
		byModule[module] = appendLine(byModule[module], name)
	}
	for _, module := range slices.Sorted(maps.Keys(byModule)) {
		names := byModule[module]
		slices.Sort(names)
		lines = append(lines, module+": "+strings.Join(slices.Compact(names), " "))
	}
	return lines
}

// tell asks the instance about itself.
func (i *Instance) tell(ctx context.Context, info *Description) (err error) {
	if info.Oldest, info.Newest, err = i.versions(ctx); err != nil {
		return err
	}
	if i.module.ExportedFunction(exportAbout) == nil {
		return nil
	}
	reply, err := i.call(ctx, exportAbout, mostAbout, nil)
	if err != nil {
		return err
	}
	texts := bytes.Split(reply, []byte{0})
	for ; len(texts) >= 2; texts = texts[2:] {
		switch value := string(texts[1]); string(texts[0]) {
		case "name":
			info.Name = line(value)
		case "version":
			info.Version = line(value)
		case "about":
			info.About = line(value)
		case "parameter":
			info.Parameters = appendLine(info.Parameters, value)
		case "wants":
			info.Wants = appendLine(info.Wants, value)
		}
	}
	return nil
}

// appendLine adds a text, unless there are too many of them.
func appendLine(lines []string, text string) []string {
	switch {
	case len(lines) < mostEntries:
		return append(lines, line(text))
	case len(lines) == mostEntries:
		return append(lines, "… and more")
	}
	return lines
}

// line makes one line of a text that a terminal shows as it is: also without what reorders
// text or cannot be seen.
func line(text string) string {
	runes := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, printable([]byte(text[:min(len(text), mostText)])))))
	if len(runes) > mostLineText {
		runes = append(runes[:mostLineText-1], '…')
	}
	return string(runes)
}

// Memory returns how many bytes the largest instance has that is idle now.
func (r *Register) Memory() int64 {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	most := int64(0)
	for _, i := range r.pool.idle {
		most = max(most, int64(i.module.Memory().Size()))
	}
	return most
}

// Memory returns how many bytes the instance has, or 0 if there is none now.
func (f *FS) Memory() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == nil || f.now.broken() {
		return 0
	}
	return int64(f.now.module.Memory().Size())
}
