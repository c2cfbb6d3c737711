package wasmplugins

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/api"
)

// A module is a plugin that is put together byte by byte, so that it can be as bad as any.
type module struct {
	imports []imported
	funcs   []function
	table   []byte // what its section holds; nil: none
	memory  [2]uint32
	data    map[uint32][]byte // by address
	start   int               // the function that runs when it is made; 0: none
	extra   []section         // at the end
}

type imported struct {
	module, name string
	signature
}

type function struct {
	export string // "": none
	signature
	body []byte
}

type section struct {
	id   byte
	body []byte
}

// Where a plain module keeps what it is given, and its replies.
const (
	inputAt  = 4096
	okAt     = 1024 // a reply of code 0 and nothing else
	unusedAt = 1032 // a reply to a read of what was never written
	wroteAt  = 1048 // a reply to a swap
)

// plain is a lock that was never written and takes every swap.
func plain() *module {
	return &module{
		funcs: []function{
			{export: exportABI, signature: signatures[exportABI], body: constI64(1 | 1<<32)},
			{export: exportBuffer, signature: signatures[exportBuffer], body: constI32(inputAt)},
			{export: exportOpen, signature: signatures[exportOpen], body: constI64(okAt | 4<<32)},
			{export: exportRead, signature: signatures[exportRead], body: constI64(unusedAt | 8<<32)},
			{export: exportSwap, signature: signatures[exportSwap], body: constI64(wroteAt | 6<<32)},
		},
		memory: [2]uint32{8, 16},
		data:   map[uint32][]byte{okAt: make([]byte, 4), unusedAt: make([]byte, 8), wroteAt: {0, 0, 0, 0, 'v', '1'}},
	}
}

// with replaces the body of an export.
func (m *module) with(export string, body ...[]byte) *module {
	m.function(export).body = slices.Concat(body...)
	return m
}

func (m *module) function(export string) *function {
	i := slices.IndexFunc(m.funcs, func(f function) bool { return f.export == export })
	if i < 0 {
		m.funcs = append(m.funcs, function{export: export, signature: signatures[export]})
		i = len(m.funcs) - 1
	}
	return &m.funcs[i]
}

// importing adds an imported function, and returns what calls it. It must come before any call
// by number.
func (m *module) importing(mod, name string, s signature) (call []byte) {
	m.imports = append(m.imports, imported{mod, name, s})
	return append([]byte{0x10}, leb(uint64(len(m.imports)-1))...)
}

// Instructions.
var (
	unreachable = []byte{0x00}
	loop        = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b, 0x00} // for ever
	drop        = []byte{0x1a}
)

func constI32(n int32) []byte { return append([]byte{0x41}, sleb(int64(n))...) }
func constI64(n int64) []byte { return append([]byte{0x42}, sleb(n)...) }

func leb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func sleb(n int64) (b []byte) {
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func vector(items [][]byte) []byte {
	return append(leb(uint64(len(items))), slices.Concat(items...)...)
}

func text(s string) []byte { return append(leb(uint64(len(s))), s...) }

func (s signature) bytes() []byte {
	types := func(ts []api.ValueType) []byte { return append(leb(uint64(len(ts))), ts...) }
	var results []api.ValueType
	if s.result != 0 {
		results = append(results, s.result)
	}
	return slices.Concat([]byte{0x60}, types(s.params), types(results))
}

// bytes is the module as a file.
func (m *module) bytes() []byte {
	var types, imports, funcs, exports, codes, datas [][]byte
	typed := func(s signature) []byte {
		types = append(types, s.bytes())
		return leb(uint64(len(types) - 1))
	}
	for _, i := range m.imports {
		imports = append(imports, slices.Concat(text(i.module), text(i.name), []byte{0}, typed(i.signature)))
	}
	for n, f := range m.funcs {
		funcs = append(funcs, typed(f.signature))
		if f.export != "" {
			exports = append(exports, slices.Concat(text(f.export), []byte{0}, leb(uint64(len(m.imports)+n))))
		}
		code := slices.Concat([]byte{0}, f.body, []byte{0x0b}) // no locals
		codes = append(codes, append(leb(uint64(len(code))), code...))
	}
	exports = append(exports, slices.Concat(text("memory"), []byte{2, 0}))
	for at, b := range m.data {
		datas = append(datas, slices.Concat([]byte{0}, constI32(int32(at)), []byte{0x0b}, leb(uint64(len(b))), b))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, body []byte) { out = slices.Concat(out, []byte{id}, leb(uint64(len(body))), body) }
	add(1, vector(types))
	add(2, vector(imports))
	add(3, vector(funcs))
	if m.table != nil {
		add(sectionTable, m.table)
	}
	add(5, slices.Concat([]byte{1, 1}, leb(uint64(m.memory[0])), leb(uint64(m.memory[1]))))
	add(7, vector(exports))
	if m.start > 0 {
		add(8, leb(uint64(len(m.imports)+m.start)))
	}
	add(10, vector(codes))
	add(11, vector(datas))
	for _, s := range m.extra {
		add(s.id, s.body)
	}
	return out
}

// file writes the module, and returns its path.
func (m *module) file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(path, m.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
