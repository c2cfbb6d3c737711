package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// asProgram has the test binary be the program: the processes of the tests below,
// and of the demonstration, are this binary again.
const asProgram = "HOLDFAST_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || len(os.Args) > 1 && os.Args[1] == writerName {
		main()
	}
	if report := os.Getenv(asMeasured); report != "" {
		os.Exit(measured(report))
	}
	if url := os.Getenv(asDeleter); url != "" {
		os.Exit(deleteKey(url))
	}
	code := m.Run()
	for _, f := range atEnd {
		f()
	}
	os.Exit(code)
}

// asMeasured has the test binary be the program, and write its status to the file that this
// names when it ends.
const asMeasured = "HOLDFAST_TEST_AS_MEASURED_PROGRAM"

// measured is the program. What the system tells of a process that ended does not do: to that
// belongs the memory of who started it.
func measured(report string) int {
	code := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		err = os.WriteFile(report, status, 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return failed
	}
	return code
}

// atEnd is done after all tests.
var atEnd []func()

// An outcome is what a command wrote, and its exit code.
type outcome struct {
	code     int
	out, err string
}

func runCommand(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return runContext(t.Context(), stdin, args...)
}

func runContext(ctx context.Context, stdin string, args ...string) outcome {
	var out, err bytes.Buffer
	code := run(ctx, args, strings.NewReader(stdin), &out, &err)
	return outcome{code, out.String(), err.String()}
}

// oneLine checks that an error is one line of the program's that says want.
func (o outcome) oneLine(t *testing.T, want string) {
	t.Helper()
	if strings.Count(o.err, "\n") != 1 || !strings.HasPrefix(o.err, "holdfast: ") || !strings.Contains(o.err, want) {
		t.Errorf("the error is %q, want one line that begins with \"holdfast: \" and says %q", o.err, want)
	}
	if o.out != "" {
		t.Errorf("output %q, want none", o.out)
	}
}
