package wasmplugins

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of a module that the runtime does not have by itself.
const (
	mostModule = 16 << 20 // bytes
	mostTable  = 100_000  // elements, of 8 bytes
)

const (
	sectionTable = 4
)

// checkSections refuses a module by what it would take before any of it runs: the runtime
// makes a table of whatever size the module says.
//
// https://webassembly.github.io/spec/core/binary/modules.html
func checkSections(module []byte) error {
	if len(module) > mostModule {
		return fmt.Errorf("it has %d bytes, of at most %d", len(module), mostModule)
	}
	rest, ok := bytes.CutPrefix(module, []byte("\x00asm\x01\x00\x00\x00"))
	if !ok {
		return errors.New("it is no WebAssembly module of version 1")
	}
	for r := bytes.NewReader(rest); ; {
		id, err := r.ReadByte()
		if err == io.EOF {
			return nil
		}
		size, err := binary.ReadUvarint(r)
		if err != nil || size > uint64(r.Len()) {
			return errors.New("it is truncated")
		}
		body := make([]byte, size)
		io.ReadFull(r, body)
		if id == sectionTable {
			if err := checkTables(bytes.NewReader(body)); err != nil {
				return err
			}
		}
	}
}

// checkTables allows one table of moderate size. That it cannot grow beyond is because the
// instructions which grow one are refused with reference types.
func checkTables(r *bytes.Reader) error {
	n, err := binary.ReadUvarint(r)
	if err != nil || n > 1 {
		return fmt.Errorf("it has %d tables, of at most 1", n)
	}
	for range n {
		kind, _ := r.ReadByte()
		flags, _ := r.ReadByte()
		least, err := binary.ReadUvarint(r)
		if err != nil || kind != 0x70 || flags > 1 {
			return errors.New("it has a table of an unknown kind")
		}
		if least > mostTable {
			return fmt.Errorf("it has a table of %d elements, of at most %d", least, mostTable)
		}
	}
	return nil
}
