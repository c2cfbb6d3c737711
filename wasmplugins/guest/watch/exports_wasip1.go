package watch

import "github.com/holdfastdb/holdfast/wasmplugins/guest"

//go:wasmexport holdfast_watch
func exportWatch(known int32) int64 { return guest.Reply(nil, watch(guest.Input(int(known)))) }
