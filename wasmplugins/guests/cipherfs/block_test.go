//go:build !wasip1

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/afero"

	"github.com/holdfastdb/holdfast/vfs/vfstest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// content is that of some blocks, and of a part of one more.
func content(blocks int) []byte {
	var b []byte
	for i := range blocks {
		b = append(b, bytes.Repeat([]byte(fmt.Sprintf("secret %08d ", i)), block/16)...)
	}
	return append(b, "and the rest"...)
}

func write(t *testing.T, files afero.Fs, name string, b []byte) {
	t.Helper()
	if err := afero.WriteFile(files, name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeBy writes through the plugin.
func writeBy(t *testing.T, p plain, name string, b []byte) {
	t.Helper()
	f, err := p.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// readBlocks reads block after block through the plugin, and returns what is wrong with
// each.
func readBlocks(t *testing.T, p plain, name string, want []byte) (wrong []error) {
	t.Helper()
	f, err := p.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := 0; off < len(want); off += block {
		b := make([]byte, min(block, len(want)-off))
		_, err := f.ReadAt(b, int64(off))
		if err == nil && !bytes.Equal(b, want[off:off+len(b)]) {
			err = errors.New("it has other bytes")
		}
		wrong = append(wrong, err)
	}
	return wrong
}

// place is where a block begins.
func place(n int) int { return headSize + n*sealed }

// Whatever is done to the file, the blocks that it was done to are not read, and the
// others are.
func TestTampering(t *testing.T) {
	want, other := content(4), bytes.ToUpper(content(4))
	for name, tt := range map[string]struct {
		do  func(file, second []byte) []byte
		bad []int
	}{
		"nothing":              {func(f, _ []byte) []byte { return f }, nil},
		"a bit of a nonce":     {func(f, _ []byte) []byte { f[place(1)] ^= 1; return f }, []int{1}},
		"a bit of the text":    {func(f, _ []byte) []byte { f[place(2)+2000] ^= 0x80; return f }, []int{2}},
		"a bit of a tag":       {func(f, _ []byte) []byte { f[place(1)-1] ^= 1; return f }, []int{0}},
		"a bit of a short one": {func(f, _ []byte) []byte { f[len(f)-20] ^= 1; return f }, []int{4}},
		"two blocks swapped": {func(f, _ []byte) []byte {
			one := bytes.Clone(f[place(1):place(2)])
			copy(f[place(1):], f[place(2):place(3)])
			copy(f[place(2):], one)
			return f
		}, []int{1, 2}},
		"a block doubled":         {func(f, _ []byte) []byte { copy(f[place(3):], f[place(0):place(1)]); return f }, []int{3}},
		"a block of another file": {func(f, g []byte) []byte { copy(f[place(1):place(2)], g[place(1):]); return f }, []int{1}},
		"a block wiped":           {func(f, _ []byte) []byte { clear(f[place(0):place(1)]); return f }, []int{0}},
		"cut in a block":          {func(f, _ []byte) []byte { return f[:place(3)+900] }, []int{3, 4}},
		"cut between blocks":      {func(f, _ []byte) []byte { return f[:place(4)] }, []int{4}}, // the end of the file
		"something added":         {func(f, _ []byte) []byte { return append(f, f[place(0):place(1)]...) }, []int{4}},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfstest.NewDisk()
			p := newPlain(t, disk, someKey)
			writeBy(t, p, "/app.db", want)
			writeBy(t, p, "/other.db", other)
			file, _ := afero.ReadFile(disk, "/app.db")
			second, _ := afero.ReadFile(disk, "/other.db")
			write(t, disk, "/app.db", tt.do(file, second))
			bad := map[int]bool{}
			for _, n := range tt.bad {
				bad[n] = true
			}
			for n, err := range readBlocks(t, p, "/app.db", want) {
				if bad[n] != (err != nil) {
					t.Errorf("block %d: %v", n, err)
				}
				if err != nil && err.Error() != "EOF" && (!errors.Is(err, guest.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("block %d of /app.db", n))) {
					t.Errorf("block %d: %v, want a block that is damaged", n, err)
				}
			}
		})
	}
}

// The disk shows neither what is in a file nor that it was written again as it was.
func TestSecrecy(t *testing.T) {
	disk := vfstest.NewDisk()
	p := newPlain(t, disk, someKey)
	writeBy(t, p, "/a", content(3))
	first, err := afero.ReadFile(disk, "/a")
	if err != nil {
		t.Fatal(err)
	}
	writeBy(t, p, "/a", content(3))
	writeBy(t, p, "/b", content(3))
	again, _ := afero.ReadFile(disk, "/a")
	other, _ := afero.ReadFile(disk, "/b")
	if bytes.Contains(first, []byte("secret")) {
		t.Error("the file can be read")
	}
	for n := range 3 {
		for name, b := range map[string][]byte{"written again": again, "of another file": other} {
			if bytes.Equal(first[place(n):place(n+1)], b[place(n):place(n+1)]) {
				t.Errorf("block %d, %s, is the same", n, name)
			}
		}
	}
	if bytes.Equal(first[:headSize], other[:headSize]) {
		t.Error("two files have one key")
	}
}

func TestOpeningIsRefused(t *testing.T) {
	disk := vfstest.NewDisk()
	writeBy(t, newPlain(t, disk, someKey), "/app.db", content(1))
	write(t, disk, "/plain.db", append([]byte("SQLite format 3\x00"), make([]byte, 4080)...))
	file, err := afero.ReadFile(disk, "/app.db")
	if err != nil {
		t.Fatal(err)
	}
	write(t, disk, "/torn.db", file[:headSize-1])
	file[20] ^= 1
	write(t, disk, "/id.db", file)
	for _, tt := range []struct{ name, key, file, want string }{
		{"right", someKey, "/app.db", ""},
		{"a head that a kill left", someKey, "/torn.db", ""},
		{"another key", otherKey, "/app.db", "wrong key: /app.db was encrypted with another one"},
		{"a head that was changed", someKey, "/id.db", "its first 64 bytes are damaged"},
		{"a plain database", someKey, "/plain.db", "damaged: /plain.db is not encrypted by cipherfs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := newPlain(t, disk, tt.key).Open(tt.file)
			if err == nil {
				f.Close()
			}
			if tt.want == "" && err != nil || tt.want != "" && !has(err, tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	for _, tt := range []struct {
		name, key string
		ok        bool
	}{
		{"hex", someKey, true},
		{"hex in capitals, with a line feed", strings.ToUpper(someKey) + "\n", true},
		{"base64", otherKey, true},
		{"base64 without padding", strings.TrimRight(otherKey, "="), true},
		{"nothing", "", false},
		{"too short", someKey[2:], false},
		{"too long", someKey + "00", false},
		{"a password", "correct horse battery staple", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseKey(tt.key)
			if (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
			if err != nil && tt.key != "" && strings.Contains(err.Error(), tt.key) {
				t.Errorf("the error has the key in it: %v", err)
			}
		})
	}
}

// Whoever copies a file copies its damage: the others of its blocks can be read in the
// copy, and the damaged one neither there nor here. Written again it can.
func TestCopyOfDamage(t *testing.T) {
	want := content(3)
	disk := vfstest.NewDisk()
	p := newPlain(t, disk, someKey)
	writeBy(t, p, "/app.db", want)
	file, err := afero.ReadFile(disk, "/app.db")
	if err != nil {
		t.Fatal(err)
	}
	file[place(1)+5] ^= 1
	write(t, disk, "/app.db", file)

	from, err := p.Open("/app.db")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<20)
	n, _ := from.ReadAt(b, 0)
	if n != len(want) {
		t.Fatalf("%d bytes, want %d", n, len(want))
	}
	writeBy(t, p, "/copy.db", b[:n])
	for i, err := range readBlocks(t, p, "/copy.db", want) {
		if (i == 1) != errors.Is(err, guest.ErrDamaged) || i != 1 && err != nil {
			t.Errorf("block %d of the copy: %v", i, err)
		}
	}
	to, err := p.OpenFile("/copy.db", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.WriteAt([]byte("a part"), block+5); !errors.Is(err, guest.ErrDamaged) {
		t.Errorf("writing a part of the damaged block: %v", err)
	}
	if _, err := to.WriteAt(want[block:2*block], block); err != nil {
		t.Error(err)
	}
	for i, err := range readBlocks(t, p, "/copy.db", want) {
		if err != nil {
			t.Errorf("block %d of the mended copy: %v", i, err)
		}
	}
}
