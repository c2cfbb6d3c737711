// Command worker is what the netlab runs on its client machines: it does transactions
// on one database or several, as it is told by lines of JSON on its standard input,
// and answers on its standard output. Package workload has the protocol. It uses
// Holdfast or a stock driver, can hold its own file operations at a point that is
// named, and can take single guards away from Holdfast, all without a hook in
// Holdfast itself: by the file system and the lock that it gives it.
//
// It ends when its input does and what it was told is done.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/holdfastdb/holdfast/internal/netlab/workload"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// closing bounds how long the worker goes on after its input ended. What hangs in the
// kernel then ends with the process, or not even so.
const closing = 20 * time.Second

func run(in io.Reader, out io.Writer) error {
	voice := &voice{out: out}
	w := newWorker(voice)
	voice.say(workload.Event{Event: workload.EventReady, PID: os.Getpid()})
	err := w.listen(in)
	ended := make(chan struct{})
	go func() {
		w.end()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(closing):
		return fmt.Errorf("its input ended, and %v later operations are still under way", closing)
	}
	return err
}

// A voice writes lines.
type voice struct {
	mu  sync.Mutex
	out io.Writer // guarded by mu
}

func (v *voice) say(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err) // of our own types
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.Write(append(line, '\n')) // if nobody hears it, the input ends soon
}

// listen has each line obeyed.
func (w *worker) listen(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c workload.Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("cannot read %q: %w", lines.Text(), err)
		}
		w.obey(c)
	}
	return lines.Err()
}
