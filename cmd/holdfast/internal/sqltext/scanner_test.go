package sqltext

import (
	"strings"
	"testing"
)

// The rows follow the documentation of sqlite3_complete, and the answers of the
// function itself in SQLite 3.40 and 3.53.
var completeTests = []struct {
	name string
	sql  string
	want bool
}{
	{"nothing", "", false},
	{"white space", " \t\r\n\f", false},
	{"comment alone", "-- done;\n", false},
	{"open comment line", "-- done;", false},
	{"statement", "SELECT 1;", true},
	{"no semicolon", "SELECT 1", false},
	{"semicolon alone", ";", true},
	{"text after semicolon", "SELECT 1; SELECT", false},
	{"white space after", "SELECT 1; \n ", true},
	{"line comment after", "SELECT 1; -- and more", true},
	{"block comment after", "SELECT 1; /* and ; more */", true},
	{"open block comment after", "SELECT 1; /* and", false},
	{"star in block comment", "SELECT 1; /***/", true},
	{"slash star slash does not close", ";/*/", false},
	{"minus is no comment", "SELECT 1 - -1;", true},
	{"slash is no comment", "SELECT 1 / 2;", true},
	{"slash at the end", "SELECT 1; /", false},
	{"minus at the end", "SELECT 1; -", false},
	{"semicolon in string", "SELECT 'a;", false},
	{"semicolon in doubled quote", "SELECT 'a'';", false},
	{"string closed", "SELECT 'a''b;';", true},
	{"comment sign in string", "SELECT '--';", true},
	{"string over lines", "SELECT 'a\nb';", true},
	{"semicolon in quoted name", `SELECT ";`, false},
	{"semicolon in backquotes", "SELECT `;", false},
	{"semicolon in brackets", "SELECT [;", false},
	{"brackets do not nest", "SELECT [[];", true},
	{"quote in brackets", "SELECT [']; ", true},
	{"quote in comment", "-- it's\nSELECT 1;", true},

	{"trigger without end", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;", false},
	{"trigger at end", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END", false},
	{"trigger", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;", true},
	{"trigger with space and comment", "CREATE TRIGGER t BEGIN SELECT 1; -- x\n END /* y */ ;", true},
	{"temp trigger", "create temp trigger t BEGIN SELECT 1;", false},
	{"temporary trigger", "CREATE TEMPORARY TRIGGER t BEGIN SELECT 1; END;", true},
	{"case end in trigger", "CREATE TRIGGER t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END;", false},
	{"end not after semicolon", "CREATE TRIGGER t BEGIN SELECT 1 END;", false},
	{"end and more", "CREATE TRIGGER t BEGIN SELECT 1; END x;", false},
	{"word that starts like end", "CREATE TRIGGER t BEGIN SELECT 1; ENDING;", false},
	{"quoted end", "CREATE TRIGGER t BEGIN SELECT 1; \"END\";", false},
	{"two triggers, second open", "CREATE TRIGGER t BEGIN SELECT 1; END; CREATE TRIGGER u BEGIN SELECT 1;", false},
	{"explained trigger", "EXPLAIN CREATE TRIGGER t BEGIN SELECT 1;", false},
	{"explained query plan of trigger", "EXPLAIN QUERY PLAN CREATE TRIGGER t BEGIN SELECT 1; END;", true},
	{"explain twice is no trigger", "EXPLAIN EXPLAIN CREATE TRIGGER t;", true},
	{"trigger without create", "TRIGGER t;", true},
	{"create index", "CREATE INDEX trigger_x ON t(a);", true},
	{"create unique is no trigger", "CREATE UNIQUE TRIGGER x;", true},
	{"longest keyword and more", "CREATE TEMPORARYS TRIGGER x;", true},
	{"dollar belongs to a name", "CREATE TEMP$ TRIGGER x;", true},
	{"beyond ASCII belongs to a name", "CREATE TRIGGERé x;", true},
	{"commit by END", "END;", true},
}

func TestComplete(t *testing.T) {
	for _, test := range completeTests {
		t.Run(test.name, func(t *testing.T) {
			if got := Complete(test.sql); got != test.want {
				t.Errorf("Complete(%q) = %v, want %v", test.sql, got, test.want)
			}
		})
	}
}

func TestBlank(t *testing.T) {
	for _, test := range []struct {
		name string
		sql  string
		want bool
	}{
		{"nothing", "", true},
		{"white space", " \n\t", true},
		{"line comment", "-- a\n-- b", true},
		{"block comment", "/* a */\n", true},
		{"open block comment", "/* a", false},
		{"semicolon", ";", false},
		{"word", "x", false},
		{"minus", "-", false},
		{"string", "'", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Scanner
			s.Feed(test.sql)
			if got := s.Blank(); got != test.want {
				t.Errorf("Blank after %q = %v, want %v", test.sql, got, test.want)
			}
		})
	}
}

// FuzzScanner checks what holds for all texts, however they arrive.
func FuzzScanner(f *testing.F) {
	for _, test := range completeTests {
		f.Add(test.sql, "SELECT 2;", uint(len(test.sql)/2))
	}
	f.Fuzz(func(t *testing.T, a, b string, cut uint) {
		var pieces Scanner
		at := int(cut % uint(len(a)+1))
		pieces.Feed(a[:at])
		pieces.Complete() // asking must change nothing
		pieces.Feed(a[at:])
		complete := Complete(a)
		if got := pieces.Complete(); got != complete {
			t.Errorf("cut at %d: Complete(%q) = %v, whole = %v", at, a, got, complete)
		}
		if complete && pieces.Blank() {
			t.Errorf("%q is complete and blank", a)
		}
		// What ends a statement leaves nothing open, so that what follows stands
		// for itself. Nothing complete lacks its semicolon.
		if complete && Complete(b) && !Complete(a+"\n"+b) {
			t.Errorf("%q and %q are complete, but not one after the other", a, b)
		}
		if complete && !strings.Contains(a, ";") {
			t.Errorf("%q is complete without a semicolon", a)
		}
		if complete && Complete(a+"\n'") {
			t.Errorf("%q is complete with an open string after it", a)
		}
	})
}
