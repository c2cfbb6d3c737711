package wasmplugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// An Instance is a module that runs. It takes one call at a time, and ends for good with the
// first one that goes wrong.
type Instance struct {
	plugin *Plugin
	module api.Module
	buffer api.Function
	calls  map[string]api.Function

	life     context.Context // ends with the instance, and with it the call that it is in
	end      context.CancelCauseFunc
	watchdog *time.Timer // ends it at the end of a call's time
	http     error       // why the latest HTTP request of the present call failed
	disk     error       // what failed of its files in the present call, where WASI has no number for it
	stack    [4]uint64
	files    atomic.Int32 // that it has open

	mu    sync.Mutex
	busy  bool     // in a call; guarded by mu
	freed bool     // guarded by mu
	last  []func() // what is done at its end
}

var errTime = errors.New("it ran out of its time")

// start makes an instance.
func (p *Plugin) start(ctx context.Context) (*Instance, error) {
	life, end := context.WithCancelCause(context.Background())
	i := &Instance{plugin: p, end: end, calls: make(map[string]api.Function)}
	i.life = context.WithValue(life, instanceKey{}, i)
	i.watchdog = time.AfterFunc(time.Hour, i.timeUp)
	i.watchdog.Stop()
	config, err := p.moduleConfig(i)
	if err == nil {
		err = i.guarded(ctx, "start", func(ctx context.Context) error { return i.run(ctx, config) })
	}
	if err != nil {
		i.close(err)
		return nil, err
	}
	return i, nil
}

// run makes the module, and has it begin: what that runs is a call like any other.
func (i *Instance) run(ctx context.Context, config wazero.ModuleConfig) (err error) {
	if i.module, err = i.plugin.runtime.InstantiateModule(ctx, i.plugin.code, config); err != nil {
		return err
	}
	i.buffer = i.module.ExportedFunction(exportBuffer)
	if initialize := i.module.ExportedFunction("_initialize"); initialize != nil {
		_, err = initialize.Call(ctx)
	}
	return err
}

// timeUp ends the instance in the middle of a call.
func (i *Instance) timeUp() { i.close(errTime) }

// close ends the instance, also from beside a call. That one ends soon: the runtime looks at
// the context in every loop and function. What the instance has is freed after it, since it
// is in use until then.
func (i *Instance) close(why error) {
	i.end(why)
	i.free(false)
}

// free frees what an instance has that has ended, once no call is in it.
func (i *Instance) free(returned bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if returned {
		i.busy = false
	}
	if i.busy || i.freed || !i.broken() {
		return
	}
	i.freed = true
	if i.module != nil {
		i.module.CloseWithExitCode(context.Background(), 1)
	}
	for _, f := range i.last {
		f()
	}
}

// atEnd has something be done when the instance ends. It is for whoever makes it.
func (i *Instance) atEnd(f func()) { i.last = append(i.last, f) }

func (i *Instance) broken() bool { return i.life.Err() != nil }

type instanceKey struct{}

// call has an export work on some input, and returns what follows the code of the reply,
// which is a copy. A plugin that answers with another code than [codeOK] is a [failure];
// one that does not answer as it must is an [ErrBroken], and the instance has ended.
func (i *Instance) call(ctx context.Context, export string, most int, input [][]byte, args ...uint64) (reply []byte, err error) {
	err = i.guarded(ctx, export, func(ctx context.Context) error {
		reply, err = i.exchange(ctx, export, most, input, args)
		return err
	})
	return reply, err
}

// guarded lets the module run for as long as a call may take.
func (i *Instance) guarded(ctx context.Context, export string, run func(context.Context) error) error {
	if err := i.begin(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { i.close(context.Cause(ctx)) })
	err := run(i.life)
	defer i.free(true)
	if inTime := i.watchdog.Stop(); !stop() || !inTime {
		i.close(errTime)
	}
	if i.broken() {
		err = context.Cause(i.life) // whatever it still answered, it was ended in the middle of it
	}
	if err != nil && !errors.As(err, new(*failure)) {
		i.close(err)
		if ctx.Err() != nil {
			return context.Cause(ctx) // the caller gave up, and the plugin is not to blame
		}
		return i.broke(export, err)
	}
	return err
}

func (i *Instance) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.broken() {
		return fmt.Errorf("%w: before", ErrBroken)
	}
	i.busy = true
	i.http, i.disk = nil, nil
	i.watchdog.Reset(i.plugin.options.Limit)
	return nil
}

// broke is the error of whoever was in the middle of something.
func (i *Instance) broke(doing string, err error) error {
	if why := context.Cause(i.life); why != nil && !errors.Is(why, context.Canceled) {
		err = why
	}
	text, _, _ := strings.Cut(err.Error(), "\n") // the stack of a module says little to its users
	return fmt.Errorf("%w in %s: %s", ErrBroken, doing, text)
}

func (i *Instance) exchange(ctx context.Context, export string, most int, input [][]byte, args []uint64) ([]byte, error) {
	if err := i.put(ctx, input); err != nil {
		return nil, err
	}
	f := i.calls[export]
	if f == nil {
		if f = i.module.ExportedFunction(export); f == nil {
			return nil, &failure{code: codeInvalid, text: "it has no " + export}
		}
		i.calls[export] = f
	}
	copy(i.stack[:], args)
	if err := f.CallWithStack(ctx, i.stack[:max(1, len(args))]); err != nil {
		return nil, err
	}
	return i.reply(i.stack[0], most)
}

// put writes the input where the plugin wants it.
func (i *Instance) put(ctx context.Context, input [][]byte) error {
	n := 0
	for _, b := range input {
		n += len(b)
	}
	if n == 0 {
		return nil
	}
	i.stack[0] = uint64(uint32(n))
	if err := i.buffer.CallWithStack(ctx, i.stack[:1]); err != nil {
		return err
	}
	at := uint32(i.stack[0])
	if at == 0 {
		return fmt.Errorf("it has no memory for %d bytes", n)
	}
	for _, b := range input {
		if !i.module.Memory().Write(at, b) {
			return fmt.Errorf("its buffer of %d bytes at %d lies beyond its memory", n, at)
		}
		at += uint32(len(b))
	}
	return nil
}

// reply takes a reply, whose payload is of at most so many bytes, out of the plugin's memory.
func (i *Instance) reply(packed uint64, most int) ([]byte, error) {
	at, n := uint32(packed), uint32(packed>>32)
	head, ok := i.module.Memory().Read(at, 4)
	if !ok || n < 4 {
		return nil, fmt.Errorf("its reply of %d bytes at %d does not hold a code", n, at)
	}
	c := code(binary.LittleEndian.Uint32(head))
	if c != codeOK {
		text, ok := i.module.Memory().Read(at+4, min(n-4, mostText))
		if !ok {
			return nil, fmt.Errorf("its reply of %d bytes at %d lies beyond its memory", n, at)
		}
		return nil, &failure{c, printable(text), i.http, i.disk}
	}
	if int64(n) > int64(most)+4 {
		return nil, fmt.Errorf("its reply of %d bytes is too long", n)
	}
	payload, ok := i.module.Memory().Read(at+4, n-4)
	if !ok {
		return nil, fmt.Errorf("its reply of %d bytes at %d lies beyond its memory", n, at)
	}
	return append([]byte(nil), payload...), nil
}

// mostText is how much of what a plugin says is shown.
const mostText = 4 << 10

// printable makes one line of what a plugin says.
func printable(text []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(text), "?")))
}

// sleep is how a plugin waits: not beyond its end.
func (i *Instance) sleep(ns int64) {
	t := time.NewTimer(time.Duration(max(0, ns)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-i.life.Done():
	}
}

// output is where a plugin's standard output goes.
func (i *Instance) output(level slog.Level) writer {
	return func(b []byte) (int, error) {
		i.plugin.log.say(level, printable(b[:min(len(b), mostText)]))
		return len(b), nil
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
