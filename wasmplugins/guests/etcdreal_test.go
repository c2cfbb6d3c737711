package guests

import (
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/testservers"
	"github.com/holdfastdb/holdfast/locking"
	"github.com/holdfastdb/holdfast/wasmplugins"
)

// The fake answers as etcd does what a register asks.
func TestFakeEtcdIsLikeEtcd(t *testing.T) {
	testservers.Need(t)
	type object = map[string]any
	get := func(k string) object { return object{"request_range": object{"key": inBase64(k)}} }
	put := func(k, v string) object {
		return object{"request_put": object{"key": inBase64(k), "value": inBase64(v)}}
	}
	both := []object{get("a"), get("b")}
	created := func(k, revision string) object {
		return object{"key": inBase64(k), "target": "CREATE", "create_revision": revision}
	}
	modified := object{"key": inBase64("a"), "target": "MOD", "mod_revision": "2"}
	value := func(v string) object {
		return object{"key": inBase64("b"), "target": "VALUE", "value": inBase64(v)}
	}
	requests := []object{
		{"success": both},
		{"compare": []object{value("")}, "success": both, "failure": both},
		{"compare": []object{created("a", "0"), created("b", "0")}, "success": []object{put("a", "one"), put("b", "x")}, "failure": both},
		{"compare": []object{created("a", "0")}, "success": []object{put("a", "two")}, "failure": both},
		{"compare": []object{modified, value("y")}, "success": []object{put("a", "two")}, "failure": both},
		{"compare": []object{modified, value("x")}, "success": []object{put("a", ""), put("b", "y")}, "failure": both},
		{"success": both},
	}
	real, fake := testservers.Start(t, testservers.Etcd), newFakeEtcd(t)
	for i, req := range requests {
		want, err := ask(real.URL()+"/v3/kv/txn", req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ask(fake.url+"/v3/kv/txn", req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(essence(want), essence(got)); diff != "" {
			t.Errorf("request %d (-etcd +fake):\n%s", i, diff)
		}
	}
}

// essence is what a register looks at in an answer.
func essence(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, member := range v {
			switch name {
			case "version", "cluster_id", "member_id", "raft_term", "create_revision", "response_put":
			case "header":
				if _, inner := v["kvs"]; !inner && v["responses"] != nil {
					kept[name] = essence(member)
				}
			default:
				kept[name] = essence(member)
			}
		}
		return kept
	case []any:
		var kept []any
		for _, element := range v {
			kept = append(kept, essence(element))
		}
		return kept
	}
	return v
}

// With authentication, a user needs both keys of the lock.
func TestEtcdRealUsers(t *testing.T) {
	testservers.Need(t)
	t.Setenv("SECRET", "hunter2")
	s := testservers.Start(t, testservers.Etcd)
	for _, step := range []struct {
		path string
		body map[string]any
	}{
		{"user/add", map[string]any{"name": "root", "password": "hunter2"}},
		{"user/grant", map[string]any{"user": "root", "role": "root"}},
		{"user/add", map[string]any{"name": "user", "password": "hunter2"}},
		{"role/add", map[string]any{"name": "half"}},
		{"role/grant", map[string]any{"name": "half", "perm": map[string]any{"permType": "READWRITE", "key": inBase64("k")}}},
		{"user/grant", map[string]any{"user": "user", "role": "half"}},
		{"enable", map[string]any{}},
	} {
		if _, err := ask(s.URL()+"/v3/auth/"+step.path, step.body); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := mustOpen(t, etcdURL(t, s.URL(), "k")).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "user=", "password")
	_, err = mustOpen(t, etcdURL(t, s.URL(), "k", "user", "user", "secret", "password:SECRET")).CompareAndSwap(t.Context(), locking.Unused, []byte("x"))
	checkLine(t, err, fs.ErrPermission, "readwrite on the keys k and k.version")
	r := mustOpen(t, etcdURL(t, s.URL(), "k", "user", "root", "secret", "password:SECRET"))
	version := mustSwap(t, r, locking.Unused, "one")
	s.Kill() // which forgets all tokens
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	mustSwap(t, r, version, "two")
	t.Setenv("SECRET", "hunter2, but wrong")
	_, _, err = mustOpen(t, etcdURL(t, s.URL(), "k", "user", "root", "secret", "password:SECRET")).Read(t.Context())
	checkLine(t, err, fs.ErrPermission, "authentication failed")
	plain := testservers.Shared(t, testservers.Etcd)
	_, _, err = mustOpen(t, etcdURL(t, plain.URL(), "k", "user", "root", "secret", "password:SECRET")).Read(t.Context())
	checkLine(t, err, wasmplugins.ErrInvalid, "leave user= out")
}
