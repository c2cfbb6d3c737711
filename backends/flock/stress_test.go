package flock

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfastdb/holdfast/locking"
	"github.com/ncruces/go-sqlite3"
)

// stressTime is how long the processes run about.
const stressTime = 2 * time.Second

func init() {
	roles["our runner"] = ourRunner
	roles["stock runner"] = stockRunner
}

// A diary is a file to which all processes append what they do. A level is written
// down after it was got and before it is given up, so that nobody is ever higher
// in the diary than in truth.
type diary struct{ file *os.File }

func openDiary(database string) diary {
	file, err := os.OpenFile(diaryPath(database), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	return diary{file}
}

func diaryPath(database string) string { return filepath.Join(filepath.Dir(database), "diary") }

func (d diary) write(who string, what any) {
	// One system call for a line. Lines are of one length that divides a page: who is killed
	// while it writes over the end of one leaves half a line.
	if _, err := fmt.Fprintf(d.file, "%-63s\n", fmt.Sprint(who, " ", what)); err != nil {
		log.Fatal(err)
	}
}

const (
	asks   = "asks"   // written down before a process tries to get in
	doomed = "doomed" // written down before it is killed: nothing it says counts any more
)

// ourRunner goes up and down at random, under the name that it reads.
func ourRunner(database string) func(string) error {
	l, err := New(database)
	if err != nil {
		log.Fatal(err)
	}
	k, err := l.NewLock()
	if err != nil {
		log.Fatal(err)
	}
	d := openDiary(database)
	moves := map[locking.Level][]locking.Level{
		none:      {shared},
		shared:    {none, none, reserved, reserved, exclusive},
		reserved:  {none, shared, exclusive, exclusive},
		pending:   {none, shared, exclusive},
		exclusive: {none, shared},
	}
	return func(name string) error {
		for end := time.Now().Add(stressTime); time.Now().Before(end); {
			from := k.Level()
			to := moves[from][rand.IntN(len(moves[from]))]
			if to < from {
				d.write(name, to)
				if err := k.Unlock(to); err != nil {
					return err
				}
				continue
			}
			if from == none {
				d.write(name, asks)
			}
			tries := rand.IntN(4)
			err := k.Lock(context.Background(), to, func() bool { tries--; return tries >= 0 })
			if err != nil && !errors.Is(err, locking.ErrHeld) {
				return err
			}
			if k.Level() != from {
				d.write(name, k.Level())
			}
		}
		d.write(name, none)
		return k.Unlock(none)
	}
}

// stockRunner runs transactions on go-sqlite3's own VFS.
func stockRunner(database string) func(string) error {
	db, err := sqlite3.Open("file:" + database)
	if err != nil {
		log.Fatal(err)
	}
	d := openDiary(database)
	kinds := []struct {
		sql   string
		level locking.Level
	}{
		{`BEGIN; SELECT * FROM t`, shared},
		{`BEGIN IMMEDIATE`, reserved},
		{`BEGIN EXCLUSIVE`, exclusive},
	}
	return func(name string) error {
		for end := time.Now().Add(stressTime); time.Now().Before(end); {
			kind := kinds[rand.IntN(len(kinds))]
			d.write(name, asks)
			err := db.Exec(kind.sql)
			if err == nil {
				d.write(name, kind.level)
				d.write(name, none)
			}
			if err != nil && !errors.Is(err, sqlite3.BUSY) {
				return err
			}
			if !db.GetAutocommit() { // the SELECT alone may have failed
				if err := db.Exec(`ROLLBACK`); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func TestManyProcessesExclude(t *testing.T) {
	database := newDatabase(t)
	newTable(t, database)
	d := openDiary(database)
	defer d.file.Close()
	var running sync.WaitGroup
	for i, role := range []string{"our runner", "our runner", "our runner", "our runner", "stock runner", "stock runner"} {
		c, name := startChild(t, role, database), fmt.Sprintf("%d(%s)", i, strings.ReplaceAll(role, " ", "-"))
		running.Go(func() {
			if err := c.do(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for victim := range 10 {
		c, name := startChild(t, "our runner", database), fmt.Sprintf("%d(victim)", victim)
		fmt.Fprintln(c.in, name)
		time.Sleep(stressTime / 12)
		d.write(name, doomed)
		c.kill()
	}
	running.Wait()
	text, err := os.ReadFile(diaryPath(database))
	if err != nil {
		t.Fatal(err)
	}
	counts, err := checkDiary(text)
	if err != nil {
		t.Error(err)
	}
	t.Log(counts)
	for _, who := range []string{"our-runner", "stock-runner"} {
		for _, level := range []string{"SHARED", "RESERVED", "EXCLUSIVE"} {
			if counts[who+" "+level] == 0 {
				t.Errorf("no %s ever got %s: this tests nothing", who, level)
			}
		}
	}
	if counts["our-runner PENDING"] == 0 {
		t.Error("nobody was ever at PENDING: this tests nothing")
	}
}

// checkDiary returns how often which kind of process got which level, and the
// first moment at which two had levels that exclude each other.
func checkDiary(text []byte) (map[string]int, error) {
	counts := make(map[string]int)
	levels := make(map[string]locking.Level)
	barred := make(map[string]bool) // asked while somebody was at PENDING or above
	gone := make(map[string]bool)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		who, what, _ := strings.Cut(strings.TrimRight(lines.Text(), " "), " ")
		var level locking.Level
		switch {
		case gone[who]:
			continue
		case what == asks:
			barred[who] = highestLevel(levels) >= pending
			continue
		case what == doomed:
			gone[who] = true
		default:
			if err := level.UnmarshalText([]byte(what)); err != nil {
				return counts, err
			}
		}
		levels[who] = level
		counts[strings.Trim(strings.TrimLeft(who, "0123456789"), "()")+" "+what]++
		if err := exclude(levels); err != nil {
			return counts, fmt.Errorf("line %d: %w", n, err)
		}
		switch {
		case level < pending && highestLevel(levels) < pending:
			clear(barred) // whoever barred them has left, so they may have come in since
		case level == shared && barred[who]:
			return counts, fmt.Errorf("line %d: %s came in beside PENDING: %v", n, who, levels)
		}
	}
	return counts, lines.Err()
}

func highestLevel(levels map[string]locking.Level) locking.Level {
	highest := none
	for _, level := range levels {
		highest = max(highest, level)
	}
	return highest
}

// exclude returns an error if the levels could not be held at once.
func exclude(levels map[string]locking.Level) error {
	writers, present := 0, 0
	for _, level := range levels {
		if level.Writing() {
			writers++
		}
		if level > none {
			present++
		}
	}
	if writers > 1 || highestLevel(levels) == exclusive && present > 1 {
		return fmt.Errorf("at once: %v", levels)
	}
	return nil
}

func TestCheckDiary(t *testing.T) {
	for name, tt := range map[string]struct {
		lines string
		ok    bool
	}{
		"readers and a writer": {"a asks,a SHARED,b asks,b SHARED,b RESERVED,a NONE,b EXCLUSIVE,b NONE,a asks,a SHARED", true},
		"in before PENDING":    {"a asks,b SHARED,b RESERVED,b PENDING,a SHARED", true},
		"in after PENDING":     {"b SHARED,b RESERVED,b PENDING,a asks,b NONE,a SHARED", true},
		"in beside PENDING":    {"b SHARED,b RESERVED,b PENDING,a asks,a SHARED", false},
		"two writers":          {"b SHARED,b RESERVED,a asks,a SHARED,a RESERVED", false},
		"reader and EXCLUSIVE": {"a SHARED,b SHARED,b RESERVED,b EXCLUSIVE", false},
		"after a kill":         {"a SHARED,a RESERVED,a EXCLUSIVE,a doomed,a NONE,a SHARED,b asks,b SHARED,b EXCLUSIVE", true},
		"despite a kill":       {"a SHARED,a RESERVED,a EXCLUSIVE,c doomed,b SHARED", false},
		"in beside EXCLUSIVE":  {"b SHARED,b EXCLUSIVE,a SHARED", false},
	} {
		if _, err := checkDiary([]byte(strings.ReplaceAll(tt.lines, ",", "\n"))); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
