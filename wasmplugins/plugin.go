package wasmplugins

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// A Plugin is a module that was loaded, with what it may do. It is safe for concurrent use.
type Plugin struct {
	options Options
	name    string // for messages
	sum     string // SHA-256 in hex
	size    int
	caller  *caller
	log     *throttle

	runtime wazero.Runtime
	code    wazero.CompiledModule

	mu     sync.Mutex
	closed bool // guarded by mu
}

// features are what a module may use: what compilers use without being asked. Of those
// that are missing, reference types would let it grow a table without end.
const features = api.CoreFeaturesV1 | api.CoreFeatureBulkMemoryOperations | api.CoreFeatureMultiValue |
	api.CoreFeatureMutableGlobal | api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureSignExtensionOps

const wasmPage = 64 << 10

// Load reads and compiles a plugin, without running any of it. It returns an [ErrModule] for
// a file that is none, and one that says what to do for options that cannot be.
func Load(ctx context.Context, options Options) (*Plugin, error) {
	p, err := load(ctx, options, compilationCaches())
	if err != nil {
		return nil, fmt.Errorf("wasmplugins: %s: %w", options.Path, err)
	}
	return p, nil
}

func load(ctx context.Context, options Options, caches []wazero.CompilationCache) (*Plugin, error) {
	options, err := options.check()
	if err != nil {
		return nil, err
	}
	grants, err := parseGrants(options.Allow)
	if err != nil {
		return nil, err
	}
	module, err := readModule(options.Path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(module)
	p := &Plugin{options: options, name: options.Path, sum: hex.EncodeToString(sum[:]), size: len(module),
		caller: newCaller(grants).through(options.Transport), log: &throttle{to: options.Log}}
	if options.SHA256 != "" && options.SHA256 != p.sum {
		return nil, fmt.Errorf("%w: its SHA-256 is %s, and sha256= wants %s", ErrModule, p.sum, options.SHA256)
	}
	if err := checkSections(module); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	for _, cache := range caches {
		if err = p.compile(ctx, module, cache); err == nil {
			return p, nil
		}
		err = errors.Join(err, p.runtime.Close(ctx))
	}
	return nil, err
}

func readModule(path string) ([]byte, error) {
	s, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !s.Mode().IsRegular() || s.Size() > mostModule {
		return nil, fmt.Errorf("%w: want a file of up to %d bytes", ErrModule, mostModule)
	}
	return os.ReadFile(path)
}

func (p *Plugin) compile(ctx context.Context, module []byte, cache wazero.CompilationCache) error {
	config := wazero.NewRuntimeConfig().WithCoreFeatures(features).WithCloseOnContextDone(true).
		WithMemoryLimitPages(uint32(p.options.Memory / wasmPage)).WithCompilationCache(cache)
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return err
	}
	if err := instantiateHost(ctx, p.runtime); err != nil {
		return err
	}
	var err error
	if p.code, err = p.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("%w: %w", ErrModule, err)
	}
	return checkShape(p.code)
}

// Close ends what the plugin still does, and frees it. A plugin that is nil is closed.
func (p *Plugin) Close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.caller.close()
	return p.runtime.Close(context.Background())
}

// moduleConfig is what every instance is given of WASI.
func (p *Plugin) moduleConfig(i *Instance) (wazero.ModuleConfig, error) {
	dirs, err := mountDirs(p.options.Dirs, i)
	if err != nil {
		return nil, err
	}
	return wazero.NewModuleConfig().WithName("").WithStartFunctions().WithFSConfig(dirs).
		WithSysWalltime().WithSysNanotime().WithNanosleep(i.sleep).WithRandSource(rand.Reader).
		WithStdout(i.output(slog.LevelInfo)).WithStderr(i.output(slog.LevelWarn)), nil
}

// throttle drops what a plugin says beyond a bound.
type throttle struct {
	to func(slog.Level, string)

	mu    sync.Mutex
	since time.Time
	left  int // bytes; guarded by mu
}

const mostLog = 64 << 10 // a minute

func (t *throttle) say(level slog.Level, text string) {
	t.mu.Lock()
	if time.Since(t.since) > time.Minute {
		t.since, t.left = time.Now(), mostLog
	}
	all := t.left
	t.left -= min(len(text)+1, t.left)
	t.mu.Unlock()
	switch {
	case all == 0:
	case len(text) >= all:
		t.to(slog.LevelWarn, "the plugin says too much: the rest of this minute is dropped")
	default:
		t.to(level, text)
	}
}
