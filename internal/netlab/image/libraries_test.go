//go:build linux

package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An object is what a program or library asks of the dynamic loader.
type object struct {
	loader, runpath string
	needs           []string
}

// write makes the smallest ELF file that asks for it: a program header for the loader and a dynamic section with its strings.
func (o object) write(t *testing.T, path string) {
	t.Helper()
	names := "\x00"
	var dynamic []elf.Dyn64
	add := func(tag elf.DynTag, s string) {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(tag), Val: uint64(len(names))})
		names += s + "\x00"
	}
	for _, n := range o.needs {
		add(elf.DT_NEEDED, n)
	}
	if o.runpath != "" {
		add(elf.DT_RUNPATH, o.runpath)
	}
	dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NULL)})

	const head, programHead, sectionHead, dyn = 64, 56, 64, 16
	shstr := "\x00.dynamic\x00.dynstr\x00.shstrtab\x00"
	loaderAt := head + programHead
	dynamicAt := loaderAt + len(o.loader) + 1
	namesAt := dynamicAt + dyn*len(dynamic)
	shstrAt := namesAt + len(names)
	sectionsAt := shstrAt + len(shstr)

	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: head,
		Phoff: head, Phentsize: programHead, Shoff: uint64(sectionsAt), Shentsize: sectionHead, Shnum: 4, Shstrndx: 3,
	}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	if o.loader != "" {
		h.Phnum = 1
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_DYNAMIC), Off: uint64(dynamicAt), Size: uint64(dyn * len(dynamic)), Link: 2, Entsize: dyn},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(namesAt), Size: uint64(len(names))},
		{Name: 18, Type: uint32(elf.SHT_STRTAB), Off: uint64(shstrAt), Size: uint64(len(shstr))},
	}
	interp := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: uint64(loaderAt), Filesz: uint64(len(o.loader) + 1)}
	var b bytes.Buffer
	for _, part := range []any{h, interp, []byte(o.loader + "\x00"), dynamic, []byte(names), []byte(shstr), sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, path, b.String())
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestClosureOfLibraries(t *testing.T) {
	const lib = "usr/lib/x86_64-linux-gnu/"
	tr := emptyTree(t)
	for path, o := range map[string]object{
		"usr/sbin/smbd":             {loader: "/lib64/ld.so", runpath: "/usr/lib/x86_64-linux-gnu/samba:$ORIGIN/../lib/own", needs: []string{"libprivate.so", "libown.so", "libc.so"}},
		lib + "samba/libprivate.so": {needs: []string{"libz.so"}},
		"usr/lib/own/libown.so":     {needs: []string{"libc.so"}},
		lib + "libz.so.1.2":         {needs: []string{"libc.so", "libz.so"}}, // itself, too
		lib + "libc.so":             {loader: "/lib64/ld.so"},
		lib + "unasked.so":          {},
		lib + "ld.so":               {},
		"usr/bin/broken":            {needs: []string{"libgone.so"}},
	} {
		o.write(t, filepath.Join(tr.dir, path))
	}
	writeFile(t, filepath.Join(tr.dir, "usr/bin/script"), "#!/bin/sh\n")
	for from, to := range map[string]string{lib + "libz.so": "libz.so.1.2", "usr/lib64/ld.so": "../lib/x86_64-linux-gnu/ld.so"} {
		if err := os.Symlink(to, filepath.Join(tr.dir, from)); err != nil {
			t.Fatal(err)
		}
	}

	got, err := tr.closure("usr/sbin/smbd", "usr/bin/script")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	want := []string{"lib64/ld.so", "usr/lib/own/libown.so", lib + "libc.so", lib + "libz.so", lib + "samba/libprivate.so"}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("closure (-want +got):\n%s", diff)
	}
	if _, err := tr.closure("usr/bin/broken"); err == nil || !strings.Contains(err.Error(), "usr/bin/broken") || !strings.Contains(err.Error(), "libgone.so") {
		t.Errorf("closure with a missing library: %v", err)
	}
}
