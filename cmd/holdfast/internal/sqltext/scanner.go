// Package sqltext tells whether a text ends a complete SQL statement.
//
// SQLite has that as sqlite3_complete, which go-sqlite3 leaves out of its build.
// The rules are those that SQLite documents for it: a statement ends at a
// semicolon that is not inside a string, a quoted name or a comment, except that
// CREATE TRIGGER ends only at a semicolon, END and another semicolon. The text is
// split into tokens and not parsed: a wrong statement can be complete.
//
// https://sqlite.org/c3ref/complete.html
package sqltext

// A Scanner looks at SQL as it arrives, in pieces of any size, so that a long
// statement is not looked at again for each of its lines. The zero value is ready.
type Scanner struct {
	state  state
	lexer  lexer
	closer byte             // what ends the present quote
	word   [maxKeyword]byte // the present word in lower case, as far as it fits
	length int              // of the present word, which may be longer than word
}

// Complete reports whether sql ends a statement.
func Complete(sql string) bool {
	var s Scanner
	s.Feed(sql)
	return s.Complete()
}

// Feed adds text after what was fed before.
func (s *Scanner) Feed(text string) {
	for i := range len(text) {
		s.next(text[i])
	}
}

// Complete reports whether what was fed ends a statement.
func (s *Scanner) Complete() bool {
	end := s.atEnd()
	return end.state == atStart && (end.lexer == plain || end.lexer == lineComment)
}

// Blank reports whether nothing was fed but white space and finished comments.
func (s *Scanner) Blank() bool {
	end := s.atEnd()
	return end.state == atNothing && (end.lexer == plain || end.lexer == lineComment)
}

// atEnd returns the scanner as it is if no more text comes.
func (s *Scanner) atEnd() Scanner {
	end := *s
	if end.lexer == dash || end.lexer == slash || end.lexer == inWord {
		end.next(' ')
	}
	return end
}

// A lexer is a place between or inside tokens.
type lexer uint8

const (
	plain       lexer = iota
	inWord            // a keyword or name
	quoted            // until closer
	dash              // one '-' was seen
	lineComment       // until the end of the line
	slash             // one '/' was seen
	blockComment
	blockStar // a '*' inside a block comment, which a '/' would end
)

func (s *Scanner) next(c byte) {
	switch s.lexer {
	case quoted:
		if c == s.closer {
			s.lexer = plain
		}
		return
	case lineComment:
		if c == '\n' {
			s.lexer = plain
		}
		return
	case blockComment, blockStar:
		s.lexer = inComment(s.lexer, c)
		return
	case dash, slash:
		if s.opensComment(c) {
			return
		}
		s.token(other)
	case inWord:
		if isName(c) {
			s.spell(c)
			return
		}
		s.token(s.keyword())
	}
	s.lexer = plain
	s.begin(c)
}

func inComment(now lexer, c byte) lexer {
	switch {
	case c == '*':
		return blockStar
	case c == '/' && now == blockStar:
		return plain
	}
	return blockComment
}

// opensComment takes the second character of a comment's opening. A comment is
// white space to the machine.
func (s *Scanner) opensComment(c byte) bool {
	switch {
	case s.lexer == dash && c == '-':
		s.lexer = lineComment
	case s.lexer == slash && c == '*':
		s.lexer = blockComment
	default:
		return false
	}
	s.token(space)
	return true
}

// begin takes the first character of a token.
func (s *Scanner) begin(c byte) {
	switch c {
	case ';':
		s.token(semicolon)
	case ' ', '\t', '\n', '\f', '\r':
		s.token(space)
	case '-':
		s.lexer = dash
	case '/':
		s.lexer = slash
	case '\'', '"', '`':
		s.quote(c)
	case '[':
		s.quote(']')
	default:
		if !isName(c) {
			s.token(other)
			return
		}
		s.lexer, s.length = inWord, 0
		s.spell(c)
	}
}

func (s *Scanner) quote(closer byte) {
	s.lexer, s.closer = quoted, closer
	s.token(other)
}

func (s *Scanner) spell(c byte) {
	if s.length < len(s.word) {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		s.word[s.length] = c
	}
	s.length++
}

func isName(c byte) bool {
	return c >= 0x80 || c == '_' || c == '$' ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

const maxKeyword = len("temporary")

// keyword classifies the present word.
func (s *Scanner) keyword() token {
	if s.length > maxKeyword {
		return other
	}
	switch string(s.word[:s.length]) {
	case "explain":
		return explain
	case "create":
		return create
	case "temp", "temporary":
		return temp
	case "trigger":
		return trigger
	case "end":
		return end
	}
	return other
}

// Quoted reports whether what was fed ends inside a string, a quoted name or a
// comment.
func (s *Scanner) Quoted() bool {
	switch s.lexer {
	case quoted, lineComment, blockComment, blockStar:
		return true
	}
	return false
}
