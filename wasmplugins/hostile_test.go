package wasmplugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/holdfastdb/holdfast/locking"
)

// limit is that of a call that does not end.
const limit = 300 * time.Millisecond

// loaded gives every call more than it takes on a machine that does much else.
func loaded(t testing.TB, m *module, change ...func(*Options)) (*Plugin, error) {
	t.Helper()
	o := Options{Path: m.file(t), Limit: time.Minute, Memory: 16 << 20}
	for _, c := range change {
		c(&o)
	}
	p, err := Load(t.Context(), o)
	if err == nil {
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return p, err
}

// opened loads a plugin and opens it as a lock.
func opened(t testing.TB, m *module, change ...func(*Options)) (*Register, error) {
	t.Helper()
	p, err := loaded(t, m, change...)
	if err != nil {
		return nil, err
	}
	r, err := p.Register(t.Context(), "/data/app.db")
	if err == nil {
		t.Cleanup(func() { r.Close() })
	}
	return r, err
}

func TestPlainModule(t *testing.T) {
	r, err := opened(t, plain())
	if err != nil {
		t.Fatal(err)
	}
	value, version, err := r.Read(t.Context())
	if len(value) > 0 || version != locking.Unused || err != nil {
		t.Errorf("read: %q, %q, %v", value, version, err)
	}
	if version, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("value")); version != "v1" || err != nil {
		t.Errorf("swap: %q, %v", version, err)
	}
}

// unending reports whether a call may never end, of those that are named in badly.
func unending(name string) bool { return name == "loop" || name == "recursion" }

// checkTime wants one that is named in badly to have been ended soon. A recursion ends by itself,
// when its stack is full: on a slow machine that takes seconds.
func checkTime(t *testing.T, name string, began time.Time) {
	t.Helper()
	most := 20 * limit
	if name == "recursion" {
		most = time.Minute
	}
	if took := time.Since(began); took > most {
		t.Errorf("took %v", took)
	}
}

// badly are ways of an export never to answer, or not as it must, and what is told of each.
var badly = map[string]struct {
	body []byte
	says string
}{
	"loop":              {loop, "ran out of its time"},
	"trap":              {unreachable, "unreachable"},
	"recursion":         {nil, ""}, // a stack overflow, or out of time; the body is a call of itself
	"reply far away":    {constI64(-16 | 8<<32), "does not hold a code"},
	"reply of 4 GiB":    {constI64(okAt | -1<<32), "too long"},
	"reply of nothing":  {constI64(0), "does not hold a code"},
	"reply of 2 bytes":  {constI64(okAt | 2<<32), "does not hold a code"},
	"reply at the edge": {constI64(8*wasmPage - 4 | 8<<32), "reply of 8 bytes"},
}

// Whatever an export does, the host gets an error within the time of a call, and the next
// call gets an instance that works: nothing hangs and nothing panics.
func TestHostileExports(t *testing.T) {
	for name, bad := range badly {
		for _, export := range []string{exportABI, exportBuffer, exportOpen, exportRead, exportSwap} {
			if export == exportABI && strings.Contains(name, "reply") {
				continue // it returns a number, of which any is an answer
			}
			t.Run(name+" in "+export, func(t *testing.T) {
				m := plain()
				body := bad.body
				if name == "recursion" {
					body = m.recursion(export)
				}
				if signatures[export].result == i32 && strings.Contains(name, "reply") {
					body = constI32(-8) // a buffer that is not there
				}
				began := time.Now()
				hangs := ""
				if unending(name) {
					hangs = export
				}
				err := tryAll(t, m.with(export, body), hangs)
				checkTime(t, name, began)
				if !errors.Is(err, ErrBroken) {
					t.Fatalf("error %v, want ErrBroken", err)
				}
				if export == exportRead && !errors.Is(err, locking.ErrUnreachable) {
					t.Errorf("read: %v, want ErrUnreachable, so that it is tried again", err)
				}
				if export == exportSwap && !errors.Is(err, locking.ErrDoubt) {
					t.Errorf("swap: %v, want ErrDoubt", err)
				}
				if says := bad.says; !strings.Contains(err.Error(), says) && !(signatures[export].result == i32 && strings.Contains(name, "reply")) {
					t.Errorf("error %v, want %q", err, says)
				}
				if strings.ContainsRune(err.Error(), '\n') {
					t.Errorf("more than a line: %v", err)
				}
			})
		}
	}
}

// The same holds for what is called before a plugin is open, and for the watch.
func TestHostileOtherExports(t *testing.T) {
	for export, use := range map[string]func(*Plugin) error{
		"_initialize": func(p *Plugin) error {
			p.options.Limit = limit
			_, err := p.Register(t.Context(), "/data/app.db")
			return err
		},
		exportAbout: func(p *Plugin) error {
			p.options.Limit = limit
			_, err := p.Describe(t.Context())
			return err
		},
		exportWatch: func(p *Plugin) error {
			r, err := p.Register(t.Context(), "/data/app.db")
			if err != nil {
				return err
			}
			defer r.Close()
			p.options.Limit = limit // it is open by now
			return r.Watched().(locking.Watcher).Watch(t.Context(), "v1")
		},
	} {
		for name, body := range map[string][]byte{"loop": loop, "trap": unreachable, "recursion": nil} {
			t.Run(name+" in "+export, func(t *testing.T) {
				m := plain().with(export)
				if body == nil {
					body = m.recursion(export)
				}
				p, err := loaded(t, m.with(export, body))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := use(p); !errors.Is(err, ErrBroken) {
					t.Errorf("error %v, want ErrBroken", err)
				}
				checkTime(t, name, began)
			})
		}
	}
}

// What runs when a module is made, and before it is open, is bounded as well, and ends with
// the context of whoever makes it.
func TestHostileStart(t *testing.T) {
	server, _ := visited(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	t.Cleanup(server.CloseClientConnections)
	for what, hang := range map[string]func(m *module) []byte{
		"loop":    func(*module) []byte { return loop },
		"sleep":   func(m *module) []byte { return m.sleeping(time.Hour) },
		"request": func(m *module) []byte { return m.requesting(server.URL) },
	} {
		for where, in := range map[string]func(m *module, body []byte){
			"start": func(m *module, body []byte) {
				m.funcs = append(m.funcs, function{body: body})
				m.start = len(m.funcs) - 1
			},
			"_initialize": func(m *module, body []byte) { m.with("_initialize", body) },
		} {
			t.Run(what+" in "+where, func(t *testing.T) {
				m := plain()
				in(m, hang(m))
				err := registering(t, m, t.Context(), limit, server.URL)
				if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), errTime.Error()) {
					t.Errorf("error %v, want ErrBroken since its time is over", err)
				}
				gone := errors.New("gone home")
				ctx, cancel := context.WithTimeoutCause(t.Context(), limit, gone)
				defer cancel()
				if err := registering(t, m, ctx, time.Hour, server.URL); !errors.Is(err, gone) || errors.Is(err, ErrBroken) {
					t.Errorf("error %v, want that of the context", err)
				}
			})
		}
	}
}

// registering opens a module as a lock, and waits no longer for it than any test may.
func registering(t *testing.T, m *module, ctx context.Context, limit time.Duration, allow string) error {
	t.Helper()
	p, err := loaded(t, m, func(o *Options) { o.Limit, o.Allow = limit, []string{allow} })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Register(ctx, "/data/app.db")
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("it is not back after a minute")
		return nil
	}
}

// Where a module keeps what it asks of the host, and gets answers.
const (
	askAt    = 2048
	answerAt = 3072
)

// sleeping is the body of a function that sleeps. It must come before any call by number.
func (m *module) sleeping(d time.Duration) []byte {
	poll := m.importing("wasi_snapshot_preview1", "poll_oneoff", signature{[]api.ValueType{i32, i32, i32, i32}, i32})
	clock := make([]byte, 48) // a subscription to the clock
	clock[16] = 1             // which is monotonic
	binary.LittleEndian.PutUint64(clock[24:], uint64(d))
	m.data[askAt] = clock
	return slices.Concat(constI32(askAt), constI32(answerAt), constI32(1), constI32(answerAt+64), poll, drop)
}

// requesting is the body of a function that sends an HTTP request, like [module.sleeping].
func (m *module) requesting(url string) []byte {
	send := m.importing(hostModule, "http", signature{[]api.ValueType{i32, i32, i32, i32}, i32})
	text := []byte("GET " + url + "/\n\n")
	m.data[askAt] = text
	return slices.Concat(constI32(askAt), constI32(int32(len(text))), constI32(answerAt), constI32(512), send, drop)
}

// recursion is the body of an export that calls itself.
func (m *module) recursion(export string) []byte {
	s := signatures[export]
	var b []byte
	for i, p := range s.params {
		_ = p
		b = append(b, 0x20, byte(i))
	}
	n := slices.IndexFunc(m.funcs, func(f function) bool { return f.export == export })
	return append(append(b, 0x10), leb(uint64(len(m.imports)+n))...)
}

// tryAll opens a plugin, reads and swaps, and returns the first error. If there is an export
// that hangs, calls have a limit from there on: those before it may take what they need.
func tryAll(t *testing.T, m *module, hangs string) error {
	p, err := loaded(t, m)
	if err != nil {
		return err
	}
	if hangs == exportABI || hangs == exportBuffer || hangs == exportOpen {
		p.options.Limit = limit
	}
	r, err := p.Register(t.Context(), "/data/app.db")
	if err != nil {
		return err
	}
	t.Cleanup(func() { r.Close() })
	if hangs == exportRead {
		p.options.Limit = limit
	}
	if _, _, err := r.Read(t.Context()); err != nil {
		return err
	}
	if hangs == exportSwap {
		p.options.Limit = limit
	}
	_, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("value"))
	return err
}

// What a module would take before it runs, or must not have, is refused when it is loaded.
func TestHostileModules(t *testing.T) {
	for name, tt := range map[string]struct {
		module *module
		says   string
	}{
		"huge table":        {func() *module { m := plain(); m.table = append([]byte{1, 0x70, 0}, leb(1<<26)...); return m }(), "table of 67108864 elements"},
		"two tables":        {func() *module { m := plain(); m.table = []byte{2, 0x70, 0, 1, 0x70, 0, 1}; return m }(), "2 tables"},
		"growing its table": {plain().with(exportBuffer, []byte{0xd0, 0x70}, constI32(1<<24), []byte{0xfc, 0x0f, 0x00}), "reference-types"},
		"huge memory":       {func() *module { m := plain(); m.memory = [2]uint32{65536, 65536}; return m }(), "memory"},
		"another import":    {func() *module { m := plain(); m.importing("env", "system", signature{}); return m }(), "env.system"},
		"another signature": {func() *module { m := plain(); m.function(exportSwap).signature = signature{nil, i64}; return m }(), exportSwap},
		"no exports":        {&module{memory: [2]uint32{1, 1}}, exportABI},
		"truncated":         {func() *module { m := plain(); m.extra = []section{{0, nil}}; return m }(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(t, tt.module)
			if tt.says == "" {
				return
			}
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want ErrModule and %q", err, tt.says)
			}
		})
	}
}

// A plugin cannot have more memory than it was given.
func TestMemoryBomb(t *testing.T) {
	grow := slices.Concat([]byte{0x03, 0x40}, constI32(16), []byte{0x40, 0x00}, drop, []byte{0x0c, 0x00, 0x0b, 0x00})
	m := plain()
	m.memory = [2]uint32{8, 65536}
	before := heap()
	err := tryAll(t, m.with(exportRead, grow), exportRead)
	if !errors.Is(err, ErrBroken) {
		t.Errorf("error %v, want ErrBroken", err)
	}
	if after := heap(); after > before+64<<20 {
		t.Errorf("the host has %d MB more", (after-before)>>20)
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Versions that do not meet are refused, and so are those that are none.
func TestVersions(t *testing.T) {
	for name, tt := range map[string]struct {
		oldest, newest uint32
		fine           bool
	}{
		"this one":   {1, 1, true},
		"this, too":  {1, 9, true},
		"newer":      {2, 9, false},
		"older":      {0, 0, false},
		"reversed":   {9, 1, false},
		"everything": {0, 1<<32 - 1, true},
	} {
		_, err := opened(t, plain().with(exportABI, constI64(int64(tt.oldest)|int64(tt.newest)<<32)))
		if tt.fine != (err == nil) || err != nil && !errors.Is(err, ErrModule) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a plugin says is cut off, in each minute.
func TestLogFlood(t *testing.T) {
	m := plain()
	log := m.importing(hostModule, "log", signature{[]api.ValueType{i32, i32, i32}, 0})
	const at, size = 8192, mostText
	m.data[at] = bytes.Repeat([]byte("x"), size)
	call := slices.Concat(constI32(3), constI32(at), constI32(size), log)
	flood := bytes.Repeat(call, 100) // 400 KiB, many times what is let through
	var said atomic.Int64
	r, err := opened(t, m.with(exportRead, flood, unreachable), func(o *Options) {
		o.Log = func(_ slog.Level, text string) { said.Add(int64(len(text))) }
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Read(t.Context()); !errors.Is(err, ErrBroken) {
		t.Errorf("error %v", err)
	}
	if n := said.Load(); n > mostLog+1000 || n < 1000 {
		t.Errorf("%d bytes were said", n)
	}
}

// An instance that broke off in the middle of a swap leaves doubt, and the next call goes on
// with another.
func TestTrapInSwap(t *testing.T) {
	r, err := opened(t, plain().with(exportSwap, unreachable))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.CompareAndSwap(t.Context(), locking.Unused, nil); !errors.Is(err, locking.ErrDoubt) {
			t.Errorf("swap: %v, want ErrDoubt", err)
		}
		if _, _, err := r.Read(t.Context()); err != nil {
			t.Errorf("read after: %v", err)
		}
		for _, i := range r.pool.idle {
			if i.calls[exportSwap] != nil {
				t.Error("the instance that broke is kept")
			}
		}
	}
}

// A read whose parts cannot be is refused.
func TestHostileReads(t *testing.T) {
	for name, reply := range map[string][]byte{
		"no version":      {},
		"half a length":   {1, 0},
		"longer version":  {5, 0, 0, 0, 'v'},
		"huge version":    slices.Concat([]byte{0, 0x20, 0, 0}, make([]byte, 0x2000)),
		"endless version": {0xff, 0xff, 0xff, 0xff, 'v'},
		"only a value":    {0, 0, 0, 0, 'x'},
		"longer than any": make([]byte, mostRead+1),
		"huge value":      slices.Concat([]byte{1, 0, 0, 0, 'v'}, make([]byte, locking.MaxValue+1)),
	} {
		t.Run(name, func(t *testing.T) {
			m := plain()
			const at = 4 * wasmPage
			m.data[at] = slices.Concat(make([]byte, 4), reply)
			r, err := opened(t, m.with(exportRead, constI64(at|int64(len(reply)+4)<<32)))
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := r.Read(t.Context()); !errors.Is(err, ErrBroken) {
				t.Errorf("error %v, want ErrBroken", err)
			}
		})
	}
}

// Who gives up waiting for a plugin does not wait for its time to end.
func TestContextEndsCall(t *testing.T) {
	r, err := opened(t, plain().with(exportRead, loop), func(o *Options) { o.Limit = time.Hour })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, _, err := r.Read(ctx); err == nil {
		t.Error("a loop answered")
	}
}

func FuzzReplies(f *testing.F) {
	f.Setenv("XDG_CACHE_HOME", f.TempDir()) // each input is a module that nobody uses again
	f.Add(uint32(okAt), uint32(4), []byte{0, 0, 0, 0})
	f.Add(uint32(0), uint32(1<<31), []byte{1, 0, 0, 0, 'x'})
	f.Fuzz(func(t *testing.T, at, n uint32, memory []byte) {
		m := plain()
		m.data[0] = memory[:min(len(memory), okAt)]
		reply := constI64(int64(uint64(n)<<32 | uint64(at)))
		r, err := opened(t, m.with(exportRead, reply).with(exportSwap, reply))
		if err != nil {
			t.Fatal(err)
		}
		if value, version, err := r.Read(t.Context()); err == nil && (len(value) > locking.MaxValue || len(version) > mostVersion) {
			t.Errorf("%d bytes of version %d", len(value), len(version))
		}
		r.CompareAndSwap(t.Context(), "v", []byte("x"))
	})
}
