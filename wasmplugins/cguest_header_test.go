package wasmplugins

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/internal/testservers"
)

// talker uses all of holdfast.h, and returns as its value what it got.
const talker = `
#include "holdfast.h"

const char *const plugin_about[] = {"name", "talker", "parameter", "url: a URL", "parameter", "none: nothing", NULL};

static char room[2000];

int32_t plugin_open(void) { return HF_OK; }

int32_t plugin_read(void) {
	static char request[1000], value[4000];
	hf_answer a;
	uint32_t n = 0;
	char *end = stpcpy(stpcpy(stpcpy(request, "POST "), hf_param("url", "")), "\nX-Asked: yes\n\nbody");
	int32_t code = hf_http(request, end - request, room, sizeof room, &a);
	if (code != HF_OK) return hf_fail(code, "asked ", hf_param("url", ""));
	end = stpcpy(stpcpy(value, hf_param("none", "otherwise")), "|");
	*end++ = '0' + a.status / 100;
	const char *names[] = {"x-tag", "X-TAG-LONGER", "X-Ta", "empty", "200"};
	for (int i = 0; i < 5; i++) {
		const char *h = hf_header(&a, names[i], &n);
		end = stpcpy(end, h ? "|" : "|none");
		if (h) memcpy(end, h, n), end += n;
	}
	*end++ = '|';
	memcpy(end, a.body, a.body_len);
	hf_log(2, "it was asked");
	return hf_reply_read("v", 1, value, end + a.body_len - value);
}

int32_t plugin_swap(const char *old, uint32_t old_len, const char *value, uint32_t value_len) {
	(void)old, (void)value;
	if (old_len == 3 && value_len == 4) return hf_fail(HF_FOREIGN, "one", " and ", "two");
	return hf_reply_swap("v2", 2);
}
`

func TestHeaderC(t *testing.T) {
	testservers.Need(t)
	header, err := filepath.Abs("c")
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "talker.c")
	writeDir(t, source, talker)
	plugin := strings.TrimSuffix(source, "c") + "wasm"
	// As in holdfast.h itself.
	mustRun(t, exec.Command("clang", "--target=wasm32-wasi", "-mcpu=mvp", "-mexec-model=reactor", "-Os", "-Wl,-s,--stack-first",
		"-Wall", "-Wextra", "-Werror", "-I", header, "-o", plugin, source))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Tag-Longer", "longer: than, x-tag")
		w.Header().Set("X-Tag", `"tag"`)
		w.Header().Set("Empty", "")
		fmt.Fprintf(w, "%s %s\n\nsecond part", r.Method, r.Header.Get("X-Asked"))
	}))
	t.Cleanup(server.Close)
	var said []string
	open := func(params map[string][]string) (*Register, error) {
		p, err := Load(t.Context(), Options{Path: plugin, Allow: []string{server.URL}, Params: params,
			Log: func(level slog.Level, text string) { said = append(said, fmt.Sprint(level, " ", text)) }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		r, err := p.Register(t.Context(), "/data/app.db")
		if err == nil {
			t.Cleanup(func() { r.Close() })
		}
		return r, err
	}
	r, err := open(map[string][]string{"url": {server.URL, "second"}})
	if err != nil {
		t.Fatal(err)
	}
	value, version, err := r.Read(t.Context())
	want := `otherwise|2|"tag"|longer: than, x-tag|none||none|POST yes` + "\n\nsecond part"
	if diff := cmp.Diff(want, string(value)); diff != "" || version != "v" || err != nil {
		t.Errorf("version %q, %v, value (-want +got):\n%s", version, err, diff)
	}
	if diff := cmp.Diff([]string{fmt.Sprint(slog.LevelWarn, " it was asked")}, said); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if _, err := r.CompareAndSwap(context.Background(), "old", []byte("more")); !strings.Contains(fmt.Sprint(err), "one and two") {
		t.Errorf("swap: %v", err)
	}
	if version, err := r.CompareAndSwap(context.Background(), "old", make([]byte, 65536)); version != "v2" || err != nil {
		t.Errorf("swap of a long value: %q, %v", version, err)
	}
	for url, says := range map[string]string{"http://127.0.0.1:1/": "asked http://127.0.0.1:1/", "nothing": "asked nothing"} {
		r, err := open(map[string][]string{"url": {url}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Read(t.Context()); !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("read from %s: %v", url, err)
		}
	}
	_, err = open(map[string][]string{"urls": {"x"}})
	wantError(t, err, ErrInvalid, "unknown parameter urls=")
	_, err = open(map[string][]string{"name": {"x"}})
	wantError(t, err, ErrInvalid, "unknown parameter name=")
	info, err := os.Stat(plugin)
	if err != nil || info.Size() > 16<<10 {
		t.Errorf("the plugin has %d bytes, %v", info.Size(), err)
	}
}
