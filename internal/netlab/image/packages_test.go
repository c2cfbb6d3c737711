//go:build linux

package image

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKernelPackage(t *testing.T) {
	tests := []struct{ name, release, want, err string }{
		{"debian", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", "linux-image-cloud-amd64", ""},
		{"ubuntu is like debian, but not the same", "ID=ubuntu\nID_LIKE=debian\n", "linux-image-extra-virtual", ""},
		{"the nearest of those it is like", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "linux-image-extra-virtual", ""},
		{"another", "ID=\"fedora\"\n", "", `this is "fedora": the names of the packages are known for Debian and Ubuntu only`},
		{"nothing said", "", "", `this is "": the names of the packages are known for Debian and Ubuntu only`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kernelPackage(tt.release)
			if got != tt.want || text(err) != tt.err {
				t.Errorf("%q, %q; want %q, %q", got, text(err), tt.want, tt.err)
			}
		})
	}
}

func TestParseURIs(t *testing.T) {
	got, err := parseURIs("'http://archive/pool/s/samba_4.17%2bdfsg_amd64.deb' samba_2%3a4.17+dfsg_amd64.deb 123 MD5Sum:00\n" +
		"'http://archive/pool/k/kmod_30_amd64.deb' kmod_30_amd64.deb 45 \n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"kmod_30_amd64.deb", "samba_2%3a4.17+dfsg_amd64.deb"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if got, err := parseURIs("NOTE: something\n"); err == nil {
		t.Errorf("took %q for names", got)
	}
}
