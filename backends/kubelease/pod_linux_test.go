package kubelease

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// podEnv makes a child of the test be what runs in a pod.
const podEnv = "HOLDFAST_TEST_POD"

// What the kubelet gives to a pod is all that a lock needs: where the server is, and a
// directory with a token, its certificate and the namespace. Here that directory is in a
// mount namespace, as in a container.
func TestInPod(t *testing.T) {
	if os.Getenv(podEnv) != "" {
		inPod(t)
		return
	}
	testservers.Need(t)
	s := testservers.Shared(t, testservers.Kube)
	admin := realConfig(t, s)
	token := account(t, admin, "pod", "pod", "get", "watch", "update", "create")
	account := t.TempDir()
	for name, content := range map[string][]byte{"token": []byte(token), "ca.crt": admin.CAData, "namespace": []byte(testNamespace)} {
		must(t, os.WriteFile(filepath.Join(account, name), content, 0o600))
	}
	server, err := url.Parse(s.URL())
	must(t, err)
	const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && cp "$1"/* /run/secrets/kubernetes.io/serviceaccount/ && exec "$2" -test.run='^TestInPod$'`
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", script, "sh", account, os.Args[0])
	if os.Geteuid() != 0 {
		cmd.Args = append([]string{"unshare", "--user", "--map-root-user"}, cmd.Args[1:]...)
	}
	cmd.Env = append(os.Environ(), podEnv+"=1", "KUBECONFIG=", "HOME="+t.TempDir(),
		"KUBERNETES_SERVICE_HOST="+server.Hostname(), "KUBERNETES_SERVICE_PORT="+server.Port())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	checkValue(t, register(t, admin, "pod"), "from the pod")
}

func inPod(t *testing.T) {
	u, err := url.Parse("k8s:///pod")
	must(t, err)
	r, err := Open(u)
	must(t, err)
	allowed(t, r)
	mustSwap(t, r, locking.Unused, "from the pod")
}
