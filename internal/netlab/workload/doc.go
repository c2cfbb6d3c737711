// Package workload is what a host and the workers on its client machines have in
// common: the commands and replies that pass between them, the host's side of that,
// the history of what was done, and the checks of it.
//
// A worker (internal/netlab/worker) reads one [Command] a line as JSON and answers
// each by one [Reply]; what happens without being asked for is an [Event]. Commands
// of one connection are done in their order, those of different ones at once.
//
// All times of a [History] are those of the host's clock, which notes when a command
// is sent and when its reply is there: the clocks of the clients stop while they are
// paused, and may be wrong. Durations in JSON are nanoseconds.
package workload
