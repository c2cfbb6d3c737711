package guest

import (
	"runtime"
	"unsafe"
)

//go:wasmimport holdfast http
func hostHTTP(request unsafe.Pointer, n uint32, response unsafe.Pointer, room uint32) int32

//go:wasmimport holdfast log
func hostLog(level int32, text unsafe.Pointer, n uint32)

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(buffer unsafe.Pointer, n uint32) uint32

// mostAnswer is how much of an answer there is room for.
const mostAnswer = 256 << 10

var answer []byte

// Send sends a request. An error is [ErrDenied] if nothing was sent and never will be,
// [ErrUnreachable] if nothing was sent or the request is safe, and [ErrDoubt] if it is
// unknown what became of it.
func Send(r Request) (*Answer, error) {
	text, err := r.encode()
	if err != nil {
		return nil, err
	}
	if answer == nil {
		answer = make([]byte, mostAnswer)
	}
	n := hostHTTP(unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)), unsafe.Pointer(&answer[0]), mostAnswer)
	runtime.KeepAlive(text)
	if n < 0 {
		return nil, r.sendError(n)
	}
	return parseAnswer(answer[:n])
}

// Log tells people something: level 0 debug, 1 info, 2 warning, 3 error.
func Log(level int, text string) {
	b := []byte(text)
	hostLog(int32(level), unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	runtime.KeepAlive(b)
}

// random fills b. It asks the host, since package crypto/rand has 500 KB.
func random(b []byte) {
	if randomGet(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))) != 0 {
		panic("the host has no randomness")
	}
}

// input is what the host writes to, and output what it reads.
var input, output []byte

//go:wasmexport holdfast_buffer
func exportBuffer(n int32) unsafe.Pointer {
	if int(n) > len(input) {
		input = make([]byte, n)
	}
	return unsafe.Pointer(unsafe.SliceData(input))
}

//go:wasmexport holdfast_abi
func exportABI() int64 { return 1 | 1<<32 }

//go:wasmexport holdfast_about
func exportAbout() int64 { return Reply(served.about.pairs(), nil) }

//go:wasmexport holdfast_open
func exportOpen(_, config int32) int64 {
	c := parseConfig(Input(int(config)))
	err := served.open(c)
	if err == nil {
		err = c.Done()
	}
	return Reply(nil, err)
}

// Input returns the beginning of what the host has written, for an export of another
// package. It is there until the next call.
func Input(n int) []byte { return input[:n:n] }

// Reply returns what an export returns for a payload or an error. It is for the exports of
// other packages.
func Reply(payload []byte, err error) int64 {
	output = encodeReply(output[:0], payload, err)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(output)))
	return int64(at) | int64(len(output))<<32
}
