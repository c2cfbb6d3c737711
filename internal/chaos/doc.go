// Package chaos has no code of its own. Its tests prove what Holdfast promises by
// what processes do to each other: killed, stopped, in pid namespaces of their own
// as containers have them, with their lock's register taken away.
//
// They use the public driver alone, those of the fence with locks and a file system
// that stop, kill or deceive their process at one of its operations. The processes
// are this test binary run again. A test that says nothing was lost has a neighbour
// that runs the same against a lock that is broken on purpose, and demands the damage.
//
// The tests run on Linux. HOLDFAST_REAL=1 runs the long form, and fails where the
// short one would do without something: namespaces, the sqlite3 program, the data
// in HOLDFAST_SHARED. HOLDFAST_SEED repeats the choices of a run that failed, though
// not its timing.
package chaos
