//go:build linux

package machine

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/holdfastdb/holdfast/internal/netlab/guest/wire"
)

// An instance is one QEMU process: a machine from the moment it is switched on until it is switched off.
type instance struct {
	agent   *agent
	monitor *monitor

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended, and the agent with it

	mu     sync.Mutex
	stderr tail // guarded by mu
}

// A hardware says how a machine is built.
type hardware struct {
	image      string // the initial file system
	memory     int    // MiB
	parameters string // for the machine's setup
	devices    []string
	files      []*os.File // devices name them by their numbers, from firstFile on
}

// The first number that files have in QEMU: before them come the standard ones, the agent's and the monitor's.
const firstFile = 5

// launch starts QEMU. Its standing orders come over a monitor that is connected from the beginning.
func (c *Cluster) launch(ctx context.Context, name, accel string, h hardware) (*instance, error) {
	agentConn, agentFile, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer agentFile.Close()
	monitorConn, monitorFile, err := socketPair()
	if err != nil {
		agentConn.Close()
		return nil, err
	}
	defer monitorFile.Close()

	in := &instance{exited: make(chan struct{}), stderr: tail{max: 4 << 10}}
	in.cmd = exec.Command(c.config.Image.QEMU, c.arguments(name, accel, h)...)
	in.cmd.Dir = c.config.Dir // so that names of files can be short
	in.cmd.Stderr = (*stderr)(in)
	in.cmd.ExtraFiles = append([]*os.File{agentFile, monitorFile}, h.files...)
	if err := c.spawner.start(in.cmd); err != nil {
		agentConn.Close()
		monitorConn.Close()
		return nil, err
	}
	in.agent, in.monitor = newAgent(agentConn), newMonitor(monitorConn)
	go in.watch()
	if err := in.monitor.do(ctx, "qmp_capabilities", nil); err != nil {
		in.kill(err)
		return nil, fmt.Errorf("%w%s", err, in.complaint())
	}
	return in, nil
}

// arguments is QEMU's command line.
func (c *Cluster) arguments(name, accel string, h hardware) []string {
	kernel := "console=ttyS0 quiet panic=-1 mitigations=off name=" + name + " " + h.parameters
	args := []string{"-name", name, "-M", "pc", "-smp", "1", "-m", fmt.Sprint(h.memory)}
	if accel == "kvm" {
		args = append(args, "-accel", "kvm", "-cpu", "host")
	} else {
		args = append(args, "-accel", "tcg,thread=multi,tb-size=128", "-cpu", "max")
		kernel += " tsc=reliable" // the emulated counter is, but a slow host makes the kernel doubt it
	}
	return append(append(args,
		"-kernel", c.config.Image.Kernel, "-initrd", h.image, "-append", kernel,
		"-nodefaults", "-no-user-config", "-display", "none", "-rtc", "base=utc,clock=host",
		"-chardev", "file,id=console,append=on,path="+name+".console", "-serial", "chardev:console",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=agent,fd=3",
		"-device", "virtserialport,chardev=agent,name="+wire.Port,
		"-chardev", "socket,id=monitor,fd=4", "-mon", "chardev=monitor,mode=control",
	), h.devices...)
}

// watch waits for the end of QEMU, whoever brings it about.
func (in *instance) watch() {
	err := in.cmd.Wait()
	if err == nil { // the machine has switched itself off
		err = fmt.Errorf("it has ended by itself")
	}
	in.agent.end(fmt.Errorf("%w: %w%s", ErrGone, err, in.complaint()))
	in.agent.close()
	in.monitor.close()
	close(in.exited)
}

// kill ends QEMU as a power cut does, and waits until it has ended. Whatever waits for the machine is told why.
func (in *instance) kill(why error) {
	in.agent.end(why)
	in.cmd.Process.Kill()
	<-in.exited
}

// complaint is what QEMU has printed, as the end of an error's one line.
func (in *instance) complaint() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if s := strings.TrimSpace(in.stderr.String()); s != "" {
		return ": " + strings.ReplaceAll(s, "\n", "; ")
	}
	return ""
}

// stderr is an instance as the writer of its standard error.
type stderr instance

func (s *stderr) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.Write(b)
}

// socketPair returns two ends of a connection: one to use, one to give to QEMU.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "QEMU's")
	defer ours.Close() // FileConn makes a descriptor of its own
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
