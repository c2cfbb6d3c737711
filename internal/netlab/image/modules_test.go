//go:build linux

package image

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModulesOf(t *testing.T) {
	const dep = `kernel/fs/nfs/nfs.ko.zst: kernel/net/sunrpc/sunrpc.ko.zst kernel/fs/lockd/lockd.ko.zst
kernel/fs/lockd/lockd.ko.zst: kernel/net/sunrpc/sunrpc.ko.zst
kernel/net/sunrpc/sunrpc.ko.zst:
kernel/crypto/ghash-generic.ko:
`
	const builtin = "kernel/fs/ext4/ext4.ko\n"
	tests := []struct {
		name  string
		names []string
		want  []string
		err   string
	}{
		{"with what it needs", []string{"nfs", "lockd"},
			[]string{"kernel/fs/lockd/lockd.ko.zst", "kernel/fs/nfs/nfs.ko.zst", "kernel/net/sunrpc/sunrpc.ko.zst"}, ""},
		{"a dash in the file", []string{"ghash_generic"}, []string{"kernel/crypto/ghash-generic.ko"}, ""},
		{"part of the kernel", []string{"ext4"}, nil, ""},
		{"nowhere", []string{"nfs", "cifs"}, nil, "the kernel has no module cifs"},
		{"nowhere, and not needed", []string{"md4?"}, nil, ""},
		{"not needed, but there", []string{"ghash_generic?"}, []string{"kernel/crypto/ghash-generic.ko"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := modulesOf(dep, builtin, tt.names)
			if text(err) != tt.err {
				t.Errorf("error %q, want %q", text(err), tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
