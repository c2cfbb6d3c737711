package files

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/holdfastdb/holdfast/wasmplugins/guest"
)

// install has the exports work on a file system.
func install(s System) { system = s }

var (
	system System
	open   = map[uint32]File{}
	latest uint32
	page   []byte
)

func opened(handle int32) (File, error) {
	if f := open[uint32(handle)]; f != nil {
		return f, nil
	}
	return nil, guest.ErrInvalid.Say("no file has the handle " + strconv.Itoa(int(handle)))
}

func reply(payload []byte, err error) int64 { return guest.Reply(payload, coded(err)) }

// with does something with an open file.
func with(handle int32, do func(File) ([]byte, error)) int64 {
	f, err := opened(handle)
	if err != nil {
		return reply(nil, err)
	}
	return reply(do(f))
}

//go:wasmexport holdfast_fs_open
func exportOpen(name, flags, mode int32) int64 {
	flag := os.O_RDONLY
	for bit, f := range []int{os.O_RDWR, os.O_CREATE, os.O_EXCL, os.O_TRUNC} {
		if flags>>bit&1 != 0 {
			flag |= f
		}
	}
	f, err := system.Open(string(guest.Input(int(name))), flag, fs.FileMode(mode)&fs.ModePerm)
	if err != nil {
		return reply(nil, err)
	}
	latest++
	open[latest] = f
	return reply(binary.LittleEndian.AppendUint32(nil, latest), nil)
}

//go:wasmexport holdfast_fs_close
func exportClose(handle int32) int64 {
	return with(handle, func(f File) ([]byte, error) {
		delete(open, uint32(handle))
		return nil, f.Close()
	})
}

//go:wasmexport holdfast_fs_read
func exportRead(handle int32, off int64, n int32) int64 {
	return with(handle, func(f File) ([]byte, error) {
		if int(n) > len(page) {
			page = make([]byte, n)
		}
		got, err := f.ReadAt(page[:n], off)
		if err == io.EOF {
			err = nil
		}
		return page[:got], err
	})
}

//go:wasmexport holdfast_fs_write
func exportWrite(handle int32, off int64, n int32) int64 {
	return with(handle, func(f File) ([]byte, error) {
		_, err := f.WriteAt(guest.Input(int(n)), off)
		return nil, err
	})
}

//go:wasmexport holdfast_fs_truncate
func exportTruncate(handle int32, size int64) int64 {
	return with(handle, func(f File) ([]byte, error) { return nil, f.Truncate(size) })
}

//go:wasmexport holdfast_fs_sync
func exportSync(handle int32) int64 {
	return with(handle, func(f File) ([]byte, error) { return nil, f.Sync() })
}

//go:wasmexport holdfast_fs_size
func exportSize(handle int32) int64 {
	return with(handle, func(f File) ([]byte, error) {
		size, err := f.Size()
		return binary.LittleEndian.AppendUint64(nil, uint64(size)), err
	})
}

//go:wasmexport holdfast_fs_stat
func exportStat(name int32) int64 {
	info, err := system.Stat(string(guest.Input(int(name))))
	if err != nil {
		return reply(nil, err)
	}
	mode := uint32(info.Mode().Perm())
	if info.IsDir() {
		mode |= 1 << 31
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(info.Size()))
	b = binary.LittleEndian.AppendUint32(b, mode)
	return reply(binary.LittleEndian.AppendUint64(b, uint64(info.ModTime().UnixNano())), nil)
}

//go:wasmexport holdfast_fs_remove
func exportRemove(name int32) int64 {
	return reply(nil, system.Remove(string(guest.Input(int(name)))))
}

//go:wasmexport holdfast_fs_rename
func exportRename(from, to int32) int64 {
	in := guest.Input(int(from + to))
	return reply(nil, system.Rename(string(in[:from]), string(in[from:])))
}

//go:wasmexport holdfast_fs_list
func exportList(name int32) int64 {
	names, err := system.List(string(guest.Input(int(name))))
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n)
		b.WriteByte(0)
	}
	if err == nil && b.Len() > mostNames {
		err = errors.New("the names in the directory take " + strconv.Itoa(b.Len()) + " bytes: want up to " + strconv.Itoa(mostNames))
	}
	return reply([]byte(b.String()), err)
}
