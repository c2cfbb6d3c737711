package render

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// A tableStyle is one of the modes that align their columns.
type tableStyle struct {
	table.Style
	centered bool // names of columns
	frame    bool // go-pretty draws an upper and a lower border,
	borders  bool // and we want them
	escape   *strings.Replacer
}

var tableStyles = map[string]tableStyle{
	"box":      {Style: boxed(table.StyleBoxLight), centered: true, frame: true, borders: true},
	"table":    {Style: boxed(table.StyleBoxDefault), centered: true, frame: true, borders: true},
	"markdown": {Style: boxed(markdownBox), centered: true, frame: true, escape: markdownEscape},
	"column":   {Style: columns},
}

func boxed(box table.BoxStyle) table.Style {
	return table.Style{Box: box, Options: table.OptionsDefault}
}

// A cell of a markdown table is one line and has no bare bar.
var markdownEscape = strings.NewReplacer("|", `\|`, "\n", "<br>")

var markdownBox = func() table.BoxStyle {
	box := table.StyleBoxDefault
	box.LeftSeparator, box.MiddleSeparator, box.RightSeparator = "|", "|", "|"
	return box
}()

var columns = table.Style{
	Box:     table.BoxStyle{MiddleHorizontal: "-", MiddleSeparator: "  ", MiddleVertical: "  ", PaddingLeft: "", PaddingRight: ""},
	Options: table.Options{SeparateColumns: true, SeparateHeader: true},
}

// cell makes text fit to be aligned: control characters, which could move the
// cursor or steer the terminal, are spelt as ^X, as newer sqlite3 does.
func (s tableStyle) cell(value string) string {
	value = strings.ToValidUTF8(value, "\uFFFD")
	if strings.ContainsFunc(value, isControl) {
		value = spellControls(value)
	}
	if s.escape != nil {
		value = s.escape.Replace(value)
	}
	return value
}

func isControl(r rune) bool { return r < ' ' && r != '\n' || 0x7f <= r && r <= 0x9f }

func spellControls(value string) string {
	var b strings.Builder
	for _, r := range value {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case !isControl(r):
			b.WriteRune(r)
		case r < ' ':
			b.WriteString("^" + string(r+'@'))
		case r == 0x7f:
			b.WriteString("^?")
		default: // C1 controls, which some terminals obey
			b.WriteRune('\uFFFD')
		}
	}
	return b.String()
}
