package wasmplugins

import (
	"context"
	"log/slog"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// instantiateHost gives the modules of a runtime what they may import besides WASI.
func instantiateHost(ctx context.Context, r wazero.Runtime) error {
	_, err := r.NewHostModuleBuilder(hostModule).
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(hostHTTP), []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}).Export("http").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(hostLog), []api.ValueType{i32, i32, i32}, nil).Export("log").
		Instantiate(ctx)
	return err
}

// hostModule is the name that plugins import from.
const hostModule = "holdfast"

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// calling is the instance that a host function was called by.
func calling(ctx context.Context) *Instance { return ctx.Value(instanceKey{}).(*Instance) }

func hostHTTP(ctx context.Context, m api.Module, stack []uint64) {
	i := calling(ctx)
	stack[0] = api.EncodeI32(i.sendHTTP(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])))
}

// sendHTTP sends the request at one place in memory, and has the answer written to another.
func (i *Instance) sendHTTP(memory api.Memory, request, n, response, room uint32) int32 {
	text, ok := memory.Read(request, n)
	_, fits := memory.Read(response, room)
	if !ok || !fits {
		return httpRefused
	}
	// A copy, since the request may be on its way for longer than this call.
	answer, failed, err := i.plugin.caller.do(i.life, append([]byte(nil), text...), int(room))
	if i.http = err; failed != 0 {
		return failed
	}
	if !memory.Write(response, answer) {
		return httpTooLong
	}
	return int32(len(answer))
}

func hostLog(ctx context.Context, m api.Module, stack []uint64) {
	level, at, n := min(max(int32(stack[0]), 0), 3), uint32(stack[1]), uint32(stack[2])
	if text, ok := m.Memory().Read(at, min(n, mostText)); ok {
		calling(ctx).plugin.log.say(slog.LevelDebug+slog.Level(level)*(slog.LevelInfo-slog.LevelDebug), printable(text))
	}
}
