package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
	"github.com/holdfastdb/holdfast/wasmplugins/guest/files"
)

func init() {
	files.Serve(guest.About{
		Name: "cipherfs", Version: "1", About: "a file system that is encrypted at rest, block by block",
		Parameters: []string{
			"key: 32 bytes in hex or base64, as openssl rand -hex 32 prints them; as a secret",
			"root: directory that has the files (default: /)",
		},
		Wants: []string{"dir: the root, or the directory of the database", "secret: key"},
	}, open)
}

func main() {}

// A system is the files under a directory.
type system struct {
	disk disk
	root string
	key  []byte
	mark []byte          // what a damaged block begins with for whoever copies it
	runs map[string]*run // of the journals and WALs that were opened, by name
}

func open(c *guest.Config) (files.System, error) {
	text, err := c.Need("key", "32 bytes in hex or base64, as a secret: secret=key:VARIABLE")
	if err != nil {
		return nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, err
	}
	return newSystem(granted{}, c.Get("root", "/"), key)
}

func newSystem(d disk, root string, key []byte) (*system, error) {
	mark, err := hkdf.Key(sha256.New, key, nil, "holdfast cipherfs 1 damaged", markSize)
	return &system{d, root, key, mark, make(map[string]*run)}, err
}

// parseKey reads a key without saying anything of it.
func parseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == chacha20poly1305.KeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: the key is not 32 bytes in hex or base64: make one by openssl rand -hex 32", guest.ErrInvalid)
}

func (s *system) at(name string) string { return path.Join(s.root, name) }

func (s *system) Open(name string, flag int, perm fs.FileMode) (files.File, error) {
	// Emptying is ours, since the head stays; and to write a part of a block is to read it.
	f, err := s.disk.OpenFile(s.at(name), flag&^os.O_TRUNC, perm)
	if err != nil {
		return nil, err
	}
	opened, err := s.open(f, name, flag)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return opened, nil
}

func (s *system) open(f diskFile, name string, flag int) (files.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return directory{f}, nil
	}
	c := cipherFile{system: s, file: f, name: name}
	if err := c.begin(info.Size()); err != nil {
		return nil, err
	}
	opened := files.File(&c)
	if isSide(name) {
		opened = &sideFile{cipherFile: c, run: s.run(name, flag, info.Size() == 0)}
	}
	if flag&os.O_TRUNC != 0 {
		return opened, opened.Truncate(0)
	}
	return opened, nil
}

// run begins one of a journal or a WAL that is opened to be written. What others did to it
// since it was opened last, in this process or another one, is not known, unless it is new.
func (s *system) run(name string, flag int, isNew bool) *run {
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return new(run)
	}
	r := s.runs[name]
	if r == nil {
		r = new(run)
		s.runs[name] = r
	}
	r.begin(isNew)
	return r
}

func (s *system) Stat(name string) (fs.FileInfo, error) {
	info, err := s.disk.Stat(s.at(name))
	if err != nil || info.IsDir() {
		return info, err
	}
	size := plainSize(info.Size())
	if isSide(name) {
		if size, err = s.sideSize(name); err != nil {
			return nil, err
		}
	}
	return plainInfo{info, size}, nil
}

// sideSize is how much is in a journal or a WAL, which its last block says.
func (s *system) sideSize(name string) (int64, error) {
	f, err := s.Open(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	size, err := f.Size()
	return size, errors.Join(err, f.Close())
}

func (s *system) Remove(name string) error {
	err := s.disk.Remove(s.at(name))
	if err == nil {
		delete(s.runs, name)
	}
	return err
}

func (s *system) Rename(from, to string) error {
	err := s.disk.Rename(s.at(from), s.at(to))
	if r := s.runs[from]; err == nil {
		delete(s.runs, to)
		delete(s.runs, from)
		if r != nil {
			s.runs[to] = r
		}
	}
	return err
}

func (s *system) List(name string) ([]string, error) { return s.disk.List(s.at(name)) }

// plainInfo tells the size of what was encrypted.
type plainInfo struct {
	fs.FileInfo
	size int64
}

func (i plainInfo) Size() int64 { return i.size }

// A directory is open to be synced.
type directory struct{ diskFile }

func (d directory) Size() (int64, error) { return 0, nil }
