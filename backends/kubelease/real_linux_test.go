package kubelease

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authentication "k8s.io/api/authentication/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	leases "k8s.io/client-go/kubernetes/typed/coordination/v1"
	accounts "k8s.io/client-go/kubernetes/typed/core/v1"
	roles "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
)

// account makes a ServiceAccount that may do some things with one Lease, and create any.
func account(t *testing.T, admin *rest.Config, name, lease string, verbs ...string) (token string) {
	t.Helper()
	people, err := accounts.NewForConfig(admin)
	must(t, err)
	rights, err := roles.NewForConfig(admin)
	must(t, err)
	ctx := t.Context()
	_, err = people.ServiceAccounts(testNamespace).Create(ctx, &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{})
	must(t, err)
	role := &rbac.Role{ObjectMeta: meta.ObjectMeta{Name: name}}
	for _, verb := range verbs {
		rule := rbac.PolicyRule{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{lease}, Verbs: []string{verb}}
		if verb == "create" {
			rule.ResourceNames = nil
		}
		role.Rules = append(role.Rules, rule)
	}
	_, err = rights.Roles(testNamespace).Create(ctx, role, meta.CreateOptions{})
	must(t, err)
	_, err = rights.RoleBindings(testNamespace).Create(ctx, &rbac.RoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: name}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
		Subjects: []rbac.Subject{{Kind: rbac.ServiceAccountKind, Name: name, Namespace: testNamespace}},
	}, meta.CreateOptions{})
	must(t, err)
	request, err := people.ServiceAccounts(testNamespace).CreateToken(ctx, name, &authentication.TokenRequest{}, meta.CreateOptions{})
	must(t, err)
	return request.Status.Token
}

// as is the configuration of who has a token.
func as(admin *rest.Config, token string) *rest.Config {
	config := rest.CopyConfig(admin)
	config.BearerToken = token
	return config
}

// allowed waits until the server has taken note of somebody's rights, which is soon.
func allowed(t *testing.T, r *Register) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, _, err := r.Read(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// The rights that the package asks for are enough, and the lack of each is told.
func TestRights(t *testing.T) {
	testservers.Need(t)
	admin := realConfig(t, testservers.Shared(t, testservers.Kube))
	client, err := leases.NewForConfig(admin)
	must(t, err)
	for name, row := range map[string]struct {
		verbs []string
		bare  bool   // nobody created the Lease beforehand
		read  string // what errors say
		swap  string
		watch string
	}{
		"least":     {verbs: []string{"get", "watch", "update"}},
		"creates":   {verbs: []string{"get", "watch", "update", "create"}, bare: true},
		"no-create": {verbs: []string{"get", "watch", "update"}, bare: true, swap: "no right to create it"},
		"no-update": {verbs: []string{"get", "watch"}, swap: "no right to update it"},
		"no-watch":  {verbs: []string{"get", "update"}, watch: "no right to watch it"},
		"no-get":    {verbs: []string{"watch", "update"}, read: "no right to get it", swap: "no right to get it"},
	} {
		t.Run(name, func(t *testing.T) {
			lease := "rights-" + name
			if !row.bare {
				_, err := client.Leases(testNamespace).Create(t.Context(), &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: lease}}, meta.CreateOptions{})
				must(t, err)
			}
			r := register(t, as(admin, account(t, admin, lease, lease, row.verbs...)), lease)
			check := func(what string, err error, says string) {
				t.Helper()
				if says == "" {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				checkLine(t, err, nil, says, lease[:len("rights")])
			}
			if row.read == "" {
				allowed(t, r)
			}
			_, _, err := r.Read(t.Context())
			check("read", err, row.read)
			version, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("one"))
			check("swap", err, row.swap)
			if row.swap == "" {
				_, err = r.CompareAndSwap(t.Context(), version, []byte("two"))
				check("swap again", err, "")
				check("watch", r.Watch(t.Context(), version), row.watch)
			}
		})
	}
}

// A token that does not count any more stops everything, and the one that the kubelet
// writes in its place is used without a restart.
func TestTokenRotated(t *testing.T) {
	testservers.Need(t)
	admin := realConfig(t, testservers.Shared(t, testservers.Kube))
	good := account(t, admin, "rotated", "rotated", "get", "watch", "update", "create")
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(good[:len(good)-4]+"AAAA"), 0o600))
	config := as(admin, "")
	config.BearerTokenFile = file
	r := register(t, config, "rotated")
	_, _, err := r.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "does not take the token")
	must(t, os.WriteFile(file, []byte(good), 0o600))
	if _, _, err := r.Read(t.Context()); err != nil && strings.Contains(err.Error(), "token") {
		t.Errorf("with the new token: %v", err)
	}
	allowed(t, r) // its rights may come later
	mustSwap(t, r, locking.Unused, "value")
}

// shortened returns a token like another, signed by the server's own key, that the server
// takes for 20 s more: long enough to be used before.
func shortened(t *testing.T, s *testservers.Server, token string) string {
	t.Helper()
	const leeway = time.Minute // that the server allows for clocks
	key, err := s.SigningKey()
	must(t, err)
	parts := strings.Split(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	claims := map[string]any{}
	must(t, json.Unmarshal(text, &claims))
	ends := time.Now().Add(20*time.Second - leeway).Unix()
	claims["exp"], claims["iat"], claims["nbf"] = ends, ends-600, ends-600
	if text, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(text)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	must(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A token that was good expires, and the one that takes its place is used.
func TestTokenExpires(t *testing.T) {
	testservers.Need(t)
	s := testservers.Shared(t, testservers.Kube)
	admin := realConfig(t, s)
	good := account(t, admin, "expires", "expires", "get", "watch", "update", "create")
	file := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(file, []byte(good), 0o600))
	config := as(admin, "")
	config.BearerTokenFile = file
	r := register(t, config, "expires")
	allowed(t, r)
	must(t, os.WriteFile(file, []byte(shortened(t, s, good)), 0o600))
	r = register(t, config, "expires")
	version := mustSwap(t, r, locking.Unused, "before")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	for err == nil { // the server remembers for 10 s that it took a token
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the token does not expire")
		}
		_, _, err = r.Read(ctx)
	}
	checkLine(t, err, locking.ErrUnreachable, "does not take the token")
	_, err = r.CompareAndSwap(t.Context(), version, []byte("refused"))
	checkLine(t, err, locking.ErrUnreachable, "does not take the token")
	must(t, os.WriteFile(file, []byte(good), 0o600))
	mustSwap(t, r, version, "after")
}

// What lands late on the real server does no harm either: not even a deleted Lease comes
// back by it, though the server makes a Lease by PUT.
func TestLateWriteOnRealServer(t *testing.T) {
	testservers.Need(t)
	admin := realConfig(t, testservers.Shared(t, testservers.Kube))
	for name, meanwhile := range map[string]func(*testing.T, *Register, locking.Version) string{
		"others": func(t *testing.T, other *Register, base locking.Version) string {
			mustSwap(t, other, base, "other")
			return "other"
		},
		"deleted": func(t *testing.T, other *Register, _ locking.Version) string { must(t, wipe(other)); return "" },
		"anew": func(t *testing.T, other *Register, _ locking.Version) string {
			must(t, wipe(other))
			mustSwap(t, other, locking.Unused, "anew")
			return "anew"
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire()
			r, other := register(t, over(w, admin), "late-"+name), register(t, admin, "late-"+name)
			want := map[string]string{"others": "other", "deleted": "", "anew": "anew"}[name]
			late(t, r, other, w, func(t *testing.T, other *Register, base locking.Version) { meanwhile(t, other, base) }, want)
		})
	}
}

// coordinated returns a lock of a coordinator over a register.
func coordinated(t *testing.T, r locking.Register, ttl time.Duration) (*locking.Coordinator, locking.Lock) {
	t.Helper()
	c, err := locking.NewCoordinator(r, locking.Options{TTL: ttl})
	must(t, err)
	t.Cleanup(func() { c.Close(context.Background()) })
	l, err := c.NewLock()
	must(t, err)
	return c, l
}

// The Lease says to people and tools what is so.
func TestLeaseTellsTheTruth(t *testing.T) {
	testservers.Need(t)
	t.Setenv("POD_NAME", "app-0")
	admin := realConfig(t, testservers.Shared(t, testservers.Kube))
	client, err := leases.NewForConfig(admin)
	must(t, err)
	c, l := coordinated(t, register(t, admin, "truth"), 30*time.Second)
	for _, level := range []locking.Level{locking.Shared, locking.Reserved, locking.Exclusive} {
		must(t, l.Lock(t.Context(), level, nil))
	}
	lease, err := client.Leases(testNamespace).Get(t.Context(), "truth", meta.GetOptions{})
	must(t, err)
	spec := lease.Spec
	if spec.HolderIdentity == nil || !strings.Contains(*spec.HolderIdentity, "app-0") {
		t.Errorf("holderIdentity is %s", show(spec.HolderIdentity))
	}
	if show(spec.LeaseDurationSeconds) != "30" || spec.LeaseTransitions == nil || *spec.LeaseTransitions != int32(l.Epoch()) || l.Epoch() == 0 {
		t.Errorf("leaseDurationSeconds %s, leaseTransitions %s; the epoch is %d", show(spec.LeaseDurationSeconds), show(spec.LeaseTransitions), l.Epoch())
	}
	if spec.AcquireTime == nil || spec.RenewTime == nil || time.Since(spec.RenewTime.Time).Abs() > time.Minute || spec.RenewTime.Before(spec.AcquireTime) {
		t.Errorf("acquireTime %s, renewTime %s", moment(spec.AcquireTime), moment(spec.RenewTime))
	}
	must(t, l.Close())
	must(t, c.Close(t.Context()))
	lease, err = client.Leases(testNamespace).Get(t.Context(), "truth", meta.GetOptions{})
	must(t, err)
	if lease.Spec.HolderIdentity != nil || show(lease.Spec.LeaseTransitions) != show(spec.LeaseTransitions) {
		t.Errorf("after it was given up the Lease says %+v", lease.Spec)
	}
}

// Whoever elects a leader with the same Lease is told to us, and its Lease is not touched.
func TestLeaderElectionOnTheSameLease(t *testing.T) {
	testservers.Need(t)
	admin := realConfig(t, testservers.Shared(t, testservers.Kube))
	client, err := leases.NewForConfig(admin)
	must(t, err)
	elect := func(ctx context.Context, name string) (leads chan struct{}, ended chan struct{}) {
		leads, ended = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
				Lock: &resourcelock.LeaseLock{LeaseMeta: meta.ObjectMeta{Namespace: testNamespace, Name: name}, Client: client,
					LockConfig: resourcelock.ResourceLockConfig{Identity: "a-controller"}},
				LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
				Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { close(leads) }, OnStoppedLeading: func() {}},
			})
		}()
		return leads, ended
	}
	t.Run("it was there first", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		leads, ended := elect(ctx, "elected")
		defer func() { cancel(); <-ended }()
		<-leads
		r := register(t, admin, "elected")
		_, _, err := r.Read(t.Context())
		checkLine(t, err, locking.ErrForeign, "another program", "a-controller", "name another Lease")
		_, l := coordinated(t, r, 30*time.Second)
		if err := l.Lock(t.Context(), locking.Shared, nil); !errors.Is(err, locking.ErrForeign) {
			t.Errorf("lock = %v", err)
		}
	})
	t.Run("it came later", func(t *testing.T) {
		r := register(t, admin, "used")
		c, l := coordinated(t, r, 30*time.Second)
		must(t, l.Lock(t.Context(), locking.Shared, nil))
		must(t, l.Unlock(locking.None))
		must(t, c.Close(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		leads, ended := elect(ctx, "used")
		defer func() { cancel(); <-ended }()
		<-leads
		_, _, err := r.Read(t.Context())
		checkLine(t, err, locking.ErrForeign, "changed by hand or by another program", "holderIdentity is a-controller")
	})
}

// A holder that cannot reach the server for longer than the ttl stops by itself, says why,
// and works again when the server is back. So does a watch of what happened before.
func TestServerUnreachable(t *testing.T) {
	testservers.Need(t)
	s := testservers.Start(t, testservers.Kube)
	config := realConfig(t, s)
	const ttl = 10 * time.Second // the lock must get there before it runs out
	_, l := coordinated(t, register(t, config, testLease), ttl)
	must(t, l.Lock(t.Context(), locking.Shared, nil))
	must(t, l.Lock(t.Context(), locking.Reserved, nil))
	epoch := l.Epoch()
	gone := register(t, config, "gone")
	was := mustSwap(t, gone, locking.Unused, "value")
	must(t, wipe(gone))
	s.Kill()
	<-time.After(ttl) // that is the promise: no later than a ttl after the last renewal
	if err := l.Check(); !errors.Is(err, locking.ErrLost) {
		t.Errorf("check = %v", err)
	}
	l.Unlock(locking.None)
	must(t, l.Close())
	_, next := coordinated(t, register(t, config, testLease), ttl)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	err := next.Lock(ctx, locking.Shared, func() bool { return true })
	cancel()
	if err == nil {
		t.Fatal("a lock without a server")
	}
	must(t, s.Run())
	// It has forgotten what came after that version, and says so to who watches from there.
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := gone.Watch(ctx, was); err != nil {
		t.Errorf("watch of a Lease that was deleted before = %v", err)
	}
	must(t, next.Lock(t.Context(), locking.Shared, func() bool { return true }))
	must(t, next.Lock(t.Context(), locking.Reserved, func() bool { return true }))
	if next.Epoch() <= epoch {
		t.Errorf("epoch %d after %d", next.Epoch(), epoch)
	}
}
