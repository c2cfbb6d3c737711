package sqltext

import "strings"

// SkipBlank returns sql without the white space, comments and lone semicolons
// that it begins with: the text of the next statement, or "".
func SkipBlank(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f;")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql[2:], "*/")
		default:
			return sql
		}
	}
}

// FirstWords returns up to n of the words that sql begins with, in upper case.
func FirstWords(sql string, n int) []string {
	var words []string
	for len(words) < n {
		sql = SkipBlank(sql)
		end := 0
		for end < len(sql) && isName(sql[end]) {
			end++
		}
		if end == 0 {
			break
		}
		words = append(words, strings.ToUpper(sql[:end]))
		sql = sql[end:]
	}
	return words
}
