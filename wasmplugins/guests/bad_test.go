package guests

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

// A configuration that cannot be right is refused when the plugin is opened, by what to do.
func TestBadConfiguration(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	for _, row := range []struct {
		plugin string
		params []string
		says   []string
	}{
		{"etcd", nil, []string{"endpoint= is missing", "https://etcd:2379"}},
		{"etcd", []string{"endpoint", "etcd:2379"}, []string{"endpoint=etcd:2379", "https://etcd:2379"}},
		{"etcd", []string{"endpoint", "http://e", "kye", "x"}, []string{"unknown parameter kye=", "endpoint=, key=, user=, password="}},
		{"etcd", []string{"endpoint", "http://e", "key", "x", "key", "y"}, []string{"key= is there more than once"}},
		{"etcd", []string{"endpoint", "http://e", "key", ""}, []string{"key= is empty"}},
		{"etcd", []string{"endpoint", "http://e", "secret", "password:SECRET"}, []string{"no user="}},
		{"consul", nil, []string{"endpoint= is missing", "http://127.0.0.1:8500"}},
		{"consul", []string{"endpoint", "http://c", "dc", "a&b"}, []string{"dc=a&b", "letters"}},
		{"consul", []string{"endpoint", "http://c", "key", strings.Repeat("k", 500)}, []string{"512 bytes", "shorter"}},
		{"webdav", nil, []string{"url= is missing", "https://dav.example/locks/"}},
		{"webdav", []string{"url", "dav.example/x"}, []string{"url=dav.example/x", "https://"}},
		{"webdav", []string{"url", "http://dav.example"}, []string{"url=http://dav.example", "https://"}},
		{"webdav", []string{"url", "http://d/x", "secret", "password:SECRET"}, []string{"no user="}},
	} {
		_, err := opened(t, pluginURL(t, row.plugin, row.params...))
		checkLine(t, err, wasmplugins.ErrInvalid, row.says...)
	}
}

// What was not granted, and who does not answer.
func TestNobodyThere(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	for plugin, name := range map[string]string{"etcd": "endpoint", "consul": "endpoint", "webdav": "url"} {
		r := mustOpen(t, pluginURL(t, plugin, name, s.URL+"/"))
		_, _, err := r.Read(t.Context())
		checkLine(t, err, fs.ErrPermission, "not granted", "allow="+s.URL)
		_, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
		checkLine(t, err, fs.ErrPermission, "not granted", "allow="+s.URL)
		r = mustOpen(t, pluginURL(t, plugin, name, s.URL+"/", "allow", s.URL))
		_, _, err = r.Read(t.Context())
		checkLine(t, err, locking.ErrUnreachable, "no connection", s.URL)
		_, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
		checkLine(t, err, locking.ErrUnreachable, "no connection", s.URL)
	}
}

// Any other server says something that no plugin takes for its own.
func TestWrongServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	for plugin, row := range map[string]struct{ name, says string }{
		"etcd": {"endpoint", "is endpoint= the client port"}, "consul": {"endpoint", "is endpoint= the HTTP port"}, "webdav": {"url", "create the collection"},
	} {
		r := mustOpen(t, pluginURL(t, plugin, row.name, s.URL+"/", "allow", s.URL))
		_, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
		checkLine(t, err, wasmplugins.ErrInvalid, row.says)
	}
}

// A member of etcd that is busy leaves a swap in doubt, and so does one that is full: it may
// have applied what it says that of. So does an answer that is none of etcd's.
func TestEtcdRefusals(t *testing.T) {
	for _, row := range []struct {
		status int
		body   string
		read   error
		swap   error
		says   string
	}{
		{503, `{"code":14,"message":"etcdserver: request timed out"}`, locking.ErrUnreachable, locking.ErrDoubt, "timed out"},
		{503, `{"code":14,"message":"etcdserver: leader changed"}`, locking.ErrUnreachable, locking.ErrDoubt, "leader changed"},
		{502, "<html>Bad Gateway</html>", locking.ErrUnreachable, locking.ErrDoubt, "status 502"},
		{200, `{"header":{"revi`, locking.ErrUnreachable, locking.ErrDoubt, "status 200"},
		{200, `{}`, locking.ErrUnreachable, locking.ErrDoubt, "something else"},
		{200, `{"responses":[{},{}]}`, locking.ErrUnreachable, locking.ErrDoubt, "something else"},
		{200, `{"header":{"revision":"9"},"responses":[{"response_range":{"kvs":[{"mod_revision":"9","value":"?"}]}},{"response_range":{"kvs":[{"mod_revision":"9"}]}}]}`,
			locking.ErrUnreachable, locking.ErrDoubt, "not base64"},
		{429, `{"code":8,"message":"etcdserver: mvcc: database space exceeded"}`, locking.ErrUnreachable, locking.ErrDoubt, "defragment"},
		{429, `{"code":8,"message":"etcdserver: too many requests"}`, locking.ErrUnreachable, locking.ErrUnreachable, "too many"},
		{403, `{"code":7,"message":"etcdserver: permission denied"}`, fs.ErrPermission, fs.ErrPermission, "readwrite"},
		{400, `{"code":3,"message":"etcdserver: user name is empty"}`, fs.ErrPermission, fs.ErrPermission, "user="},
	} {
		s := newFakeEtcd(t)
		r := mustOpen(t, etcdURL(t, s.url, "refused"))
		version := mustSwap(t, r, locking.Unused, "before")
		s.set(func() { s.status, s.refuse = row.status, row.body })
		_, _, err := r.Read(t.Context())
		checkLine(t, err, row.read, row.says)
		s.set(func() { s.status, s.refuse = row.status, row.body })
		_, err = r.CompareAndSwap(t.Context(), version, []byte("x"))
		checkLine(t, err, row.swap, row.says)
		if errors.Is(err, locking.ErrConflict) || row.swap != locking.ErrDoubt && errors.Is(err, locking.ErrDoubt) {
			t.Errorf("%s: %v", row.body, err)
		}
		mustSwap(t, r, version, "after")
	}
}

// A password gets a token, and another one when that has expired.
func TestEtcdTokens(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	s := newFakeEtcd(t)
	s.tokens = map[string]bool{}
	_, _, err := mustOpen(t, etcdURL(t, s.url, "tokens")).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "user=", "password")
	r := mustOpen(t, etcdURL(t, s.url, "tokens", "user", "user", "secret", "password:SECRET"))
	version := mustSwap(t, r, locking.Unused, "one")
	s.set(func() { clear(s.tokens) })
	version = mustSwap(t, r, version, "two")
	s.set(func() { clear(s.tokens) })
	if _, present, err := r.Read(t.Context()); present != version || err != nil {
		t.Errorf("read %q, %v", present, err)
	}
	t.Setenv("SECRET", "hunter2, but wrong")
	_, _, err = mustOpen(t, etcdURL(t, s.url, "tokens", "user", "user", "secret", "password:SECRET")).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "authentication failed", "password")
	s.set(func() { s.tokens = nil })
	_, _, err = mustOpen(t, etcdURL(t, s.url, "tokens", "user", "user", "secret", "password:SECRET")).Read(t.Context())
	checkLine(t, err, wasmplugins.ErrInvalid, "leave user= out")
}

// A member that is gone is passed over.
func TestEtcdMembers(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	s := newFakeEtcd(t)
	for range 4 { // they are tried in any order
		r := mustOpen(t, etcdURL(t, down.URL, "members", "allow", s.url, "endpoint", s.url))
		_, version, err := r.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustSwap(t, r, version, rand.Text())
	}
}

// What somebody else wrote is told as such, and never written over.
func TestEtcdForeign(t *testing.T) {
	for name, keys := range map[string][]string{"one key": {"k"}, "the other": {"k.version"}, "both": {"k", "k.version"}} {
		s := newFakeEtcd(t)
		s.set(func() {
			for _, k := range keys {
				s.keys[inBase64(k)] = fakeEtcdKey{inBase64(k), 5, 5, inBase64("hello")}
			}
		})
		r := mustOpen(t, etcdURL(t, s.url, "k"))
		_, _, err := r.Read(t.Context())
		checkLine(t, err, locking.ErrForeign, "k.version", "another key")
		_, err = r.CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
		checkLine(t, err, locking.ErrForeign, "k.version")
		if len(s.keys) != len(keys) || s.revision != 1 {
			t.Errorf("%s: something was written", name)
		}
	}
}

func TestConsulForeign(t *testing.T) {
	testservers.Need(t)
	t.Setenv("TOKEN", testservers.ConsulToken)
	s := testservers.Shared(t, testservers.Consul)
	key := rand.Text()
	r := mustOpen(t, consulURL(t, s.URL(), key))
	version := mustSwap(t, r, locking.Unused, "value")
	// The index is the same, and the write another: so it is after servers were restored.
	_, trail, _ := strings.Cut(string(version), " ")
	if err := consulKV(s.URL(), http.MethodDelete, key+".version/"+trail, ""); err != nil {
		t.Fatal(err)
	}
	_, err := r.CompareAndSwap(t.Context(), version, []byte("x"))
	checkLine(t, err, locking.ErrForeign, "not of one write")
	write := func(value string) {
		if err := consulKV(s.URL(), http.MethodPut, key, value); err != nil {
			t.Fatal(err)
		}
	}
	write("hello")
	_, _, err = r.Read(t.Context())
	checkLine(t, err, locking.ErrForeign, key)
	_, err = r.CompareAndSwap(t.Context(), version, []byte("x"))
	checkLine(t, err, locking.ErrForeign, key)
	write("holdfast-register 1 9 AAAAAAAAAAAAAAAA\ncut")
	_, _, err = r.Read(t.Context())
	checkLine(t, err, wasmplugins.ErrDamaged, "3 bytes of a value of 9", key)
	write("holdfast-register 1 3 AAAAAAAAAAAAAAAA\nnew")
	_, _, err = r.Read(t.Context())
	checkLine(t, err, locking.ErrForeign, "not of one write")
	t.Setenv("TOKEN", "hunter2")
	_, _, err = mustOpen(t, consulURL(t, s.URL(), key)).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "token")
	u := pluginURL(t, "consul", "allow", s.URL(), "endpoint", s.URL(), "key", "nothing-there")
	_, err = mustOpen(t, u).CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
	checkLine(t, err, fs.ErrPermission, "token")
}

func TestWebDAVForeign(t *testing.T) {
	testservers.Need(t)
	t.Setenv("SECRET", testservers.ApachePassword)
	s := testservers.Shared(t, testservers.Apache("event"))
	name := rand.Text()
	dir := filepath.Join(s.Docroot(), "locks", name)
	r := mustOpen(t, webdavURL(t, s.URL(), "/locks/"+name))
	mustSwap(t, r, locking.Unused, "value")
	values, err := filepath.Glob(filepath.Join(dir, "value.*"))
	if err != nil || len(values) != 1 {
		t.Fatal(values, err)
	}
	if err := os.Truncate(values[0], 40); err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Read(t.Context())
	checkLine(t, err, wasmplugins.ErrDamaged, "value.", "remove")
	if err := os.Remove(values[0]); err != nil {
		t.Fatal(err)
	}
	_, _, err = r.Read(t.Context())
	checkLine(t, err, locking.ErrForeign, name, "another url=")
	_, err = mustOpen(t, webdavURL(t, s.URL(), "/locks/missing/x")).CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
	checkLine(t, err, wasmplugins.ErrInvalid, "create the collection")
	_, err = mustOpen(t, webdavURL(t, s.URL(), "/plain/x")).CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
	checkLine(t, err, wasmplugins.ErrInvalid, "no collection of WebDAV")
	private := "/private/" + name
	_, _, err = mustOpen(t, webdavURL(t, s.URL(), private)).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "user=")
	mustSwap(t, mustOpen(t, webdavURL(t, s.URL(), private, "user", testservers.ApacheUser, "secret", "password:SECRET")), locking.Unused, "value")
}
