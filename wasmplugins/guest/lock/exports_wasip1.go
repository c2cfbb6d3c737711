package lock

import "github.com/holdfastdb/holdfast/wasmplugins/guest"

//go:wasmexport holdfast_read
func exportRead() int64 { return guest.Reply(read()) }

//go:wasmexport holdfast_swap
func exportSwap(old, value int32) int64 {
	return guest.Reply(swap(guest.Input(int(old+value)), int(old)))
}
