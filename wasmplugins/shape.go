package wasmplugins

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The exports of a plugin.
const (
	exportABI    = "holdfast_abi"
	exportBuffer = "holdfast_buffer"
	exportAbout  = "holdfast_about"
	exportOpen   = "holdfast_open"
	exportRead   = "holdfast_read"
	exportSwap   = "holdfast_swap"
	exportWatch  = "holdfast_watch"

	exportFS         = "holdfast_fs_"
	exportFSOpen     = exportFS + "open"
	exportFSClose    = exportFS + "close"
	exportFSRead     = exportFS + "read"
	exportFSWrite    = exportFS + "write"
	exportFSTruncate = exportFS + "truncate"
	exportFSSync     = exportFS + "sync"
	exportFSSize     = exportFS + "size"
	exportFSStat     = exportFS + "stat"
	exportFSRemove   = exportFS + "remove"
	exportFSRename   = exportFS + "rename"
	exportFSList     = exportFS + "list"
)

// A signature is what an export takes, but for its result.
type signature struct {
	params []api.ValueType
	result api.ValueType // 0: none
}

var signatures = map[string]signature{
	exportABI:    {nil, i64},
	exportBuffer: {[]api.ValueType{i32}, i32},
	exportAbout:  {nil, i64},
	exportOpen:   {[]api.ValueType{i32, i32}, i64},
	exportRead:   {nil, i64},
	exportSwap:   {[]api.ValueType{i32, i32}, i64},
	exportWatch:  {[]api.ValueType{i32}, i64},

	exportFSOpen:     {[]api.ValueType{i32, i32, i32}, i64},
	exportFSClose:    {[]api.ValueType{i32}, i64},
	exportFSRead:     {[]api.ValueType{i32, i64, i32}, i64},
	exportFSWrite:    {[]api.ValueType{i32, i64, i32}, i64},
	exportFSTruncate: {[]api.ValueType{i32, i64}, i64},
	exportFSSync:     {[]api.ValueType{i32}, i64},
	exportFSSize:     {[]api.ValueType{i32}, i64},
	exportFSStat:     {[]api.ValueType{i32}, i64},
	exportFSRemove:   {[]api.ValueType{i32}, i64},
	exportFSRename:   {[]api.ValueType{i32, i32}, i64},
	exportFSList:     {[]api.ValueType{i32}, i64},
}

// What makes a plugin, a lock and a file system.
var (
	everyPlugin = []string{exportABI, exportBuffer, exportOpen}
	everyLock   = []string{exportRead, exportSwap}
	everyFS     = []string{exportFSOpen, exportFSClose, exportFSRead, exportFSWrite, exportFSTruncate, exportFSSync,
		exportFSSize, exportFSStat, exportFSRemove, exportFSRename, exportFSList}
)

// checkShape refuses a module that has not the exports of a plugin, has them otherwise than
// they must be, or wants what no plugin gets.
func checkShape(m wazero.CompiledModule) error {
	exports := m.ExportedFunctions()
	for name, def := range exports {
		want, known := signatures[name]
		if !known {
			continue
		}
		var result []api.ValueType
		if want.result != 0 {
			result = []api.ValueType{want.result}
		}
		if !slices.Equal(def.ParamTypes(), want.params) || !slices.Equal(def.ResultTypes(), result) {
			return fmt.Errorf("%w: %s has another type than it must have: see ABI.md", ErrModule, name)
		}
	}
	var missing []string
	for _, name := range everyPlugin {
		if exports[name] == nil {
			missing = append(missing, name)
		}
	}
	if len(m.ExportedMemories()) != 1 || m.ExportedMemories()["memory"] == nil {
		missing = append(missing, "memory")
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: it has no %s", ErrModule, strings.Join(missing, ", "))
	}
	if !has(exports, everyLock) && !has(exports, everyFS) {
		return fmt.Errorf("%w: it is neither a lock (%s) nor a file system (%s)", ErrModule, strings.Join(everyLock, ", "), strings.Join(everyFS, ", "))
	}
	if len(m.ImportedMemories()) > 0 {
		return fmt.Errorf("%w: it imports its memory", ErrModule)
	}
	for _, def := range m.ImportedFunctions() {
		module, name, _ := def.Import()
		if module != wasi_snapshot_preview1.ModuleName && module != hostModule {
			return fmt.Errorf("%w: it imports %s.%s, and there are only %s and %s", ErrModule, module, name, wasi_snapshot_preview1.ModuleName, hostModule)
		}
	}
	return nil
}

// has reports whether all names are exported.
func has(exports map[string]api.FunctionDefinition, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return exports[name] == nil })
}

// exported returns the names of all exported functions.
func exported(m wazero.CompiledModule) []string {
	return slices.Sorted(maps.Keys(m.ExportedFunctions()))
}
