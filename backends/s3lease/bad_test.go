package s3lease

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfastdb/holdfast/locking"
)

func TestURL(t *testing.T) {
	for _, row := range []struct {
		url  string
		want settings
		back string
	}{
		{"s3://b/some/key", settings{bucket: "b", key: "some/key"}, ""},
		{"s3://b/", settings{bucket: "b", key: "app.db.lease"}, "s3://b/app.db.lease"},
		{"s3://b", settings{bucket: "b", key: "app.db.lease"}, "s3://b/app.db.lease"},
		{"s3://b/dir/", settings{bucket: "b", key: "dir/app.db.lease"}, "s3://b/dir/app.db.lease"},
		{"s3://b/k?endpoint=http%3A%2F%2Fminio%3A9000&region=eu-central-1", settings{"b", "k", "http://minio:9000", "eu-central-1", true}, ""},
		{"s3://b/k?endpoint=http%3A%2F%2Fminio%3A9000&path-style=off", settings{bucket: "b", key: "k", endpoint: "http://minio:9000"}, ""},
		{"s3://b/k?path-style=on", settings{bucket: "b", key: "k", pathStyle: true}, ""},
	} {
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parse(u, "/data/app.db")
		if err != nil {
			t.Errorf("%s: %v", row.url, err)
			continue
		}
		if diff := cmp.Diff(row.want, got, cmp.AllowUnexported(settings{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.url, diff)
		}
		if back := got.String(); back != row.url && back != row.back {
			t.Errorf("%s came back as %s", row.url, back)
		}
	}
}

func TestBadURL(t *testing.T) {
	for bad, says := range map[string]string{
		"s3:b/k":                       "want s3://BUCKET/KEY",
		"s3:///k":                      "want s3://BUCKET/KEY",
		"s3://key:secret@b/k":          "no place for credentials",
		"s3://b/k?endpoint=minio:9000": "write one such as https://",
		"s3://b/k?region=":             "region is empty",
		"s3://b/k?path-style=yes":      "write on or off",
		"s3://b/k?bucket=x":            `unknown parameter "bucket"`,
		"s3://b/k?region=a&region=b":   "region= is there more than once",

		"s3://b/k?endpoint=http://key:secret@minio:9000":       "no place for credentials",
		"s3://b/k?endpoint=http://secret@minio:9000":           "no place for credentials",
		"s3://b/k?endpoint=http://key:sec/secret@minio:9000":   "no place for credentials",
		"s3://b/k?endpoint=http://m&endpoint=http://k:secret@": "endpoint= is there more than once",
	} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), u, "/data/app.db")
		checkLine(t, err, nil, says)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

// What lies at the key is not the register's: nothing is written over it.
func TestForeignObject(t *testing.T) {
	for content, want := range map[string]error{
		"":        locking.ErrForeign,
		"hello":   locking.ErrForeign,
		"hello\n": locking.ErrForeign,
		"{}\n":    locking.ErrForeign,
		`{"holdfast-register":2,"writes":"x"}` + "\n":                           locking.ErrRecord,
		`{"holdfast-register":1,"writes":"x"}` + "\n{}":                         locking.ErrRecord,
		`{"holdfast-register":1,"writes":""}` + "\n{}":                          locking.ErrRecord,
		string(encode(state{}.writes.Next(), make([]byte, locking.MaxValue+1))): locking.ErrRecord,
	} {
		r, s, _ := fakeRegister(t)
		s.set(func() { s.objects[testKey] = []byte(content) })
		_, _, err := r.Read(t.Context())
		checkLine(t, err, want)
		if _, err := r.CompareAndSwap(t.Context(), locking.Unused, []byte("mine")); err == nil || errors.Is(err, locking.ErrConflict) {
			t.Errorf("swap over %.20q = %v", content, err)
		}
		if got := string(s.objects[testKey]); got != content {
			t.Errorf("%.20q became %.20q", content, got)
		}
	}
}

// Every refusal says what to do.
func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		code   string
		status int
		want   error
		says   []string
	}{
		{"AccessDenied", http.StatusForbidden, errForbidden, []string{"s3:GetObject", "s3:PutObject", "s3:ListBucket", ".probe"}},
		{"RequestTimeTooSkewed", http.StatusForbidden, nil, []string{"clocks of this host and of the store differ by", "set this host's"}},
		{"InvalidAccessKeyId", http.StatusForbidden, nil, []string{"does not know these credentials", "AWS_ACCESS_KEY_ID"}},
		{"SignatureDoesNotMatch", http.StatusForbidden, nil, []string{"does not know these credentials"}},
		{"ExpiredToken", http.StatusForbidden, locking.ErrUnreachable, []string{"have expired"}},
		{"AuthorizationHeaderMalformed", http.StatusBadRequest, nil, []string{"another region", "region="}},
		{"PermanentRedirect", http.StatusMovedPermanently, nil, []string{"another region", "region="}},
		{"MethodNotAllowed", http.StatusMethodNotAllowed, nil, []string{"MethodNotAllowed"}},
	} {
		r, s, _ := fakeRegister(t)
		version := mustSwap(t, r, locking.Unused, "before")
		s.set(func() { s.lie = lie{refuse: row.code, status: row.status} })
		_, _, err := r.Read(t.Context())
		checkLine(t, err, row.want, append(row.says, row.code)...)
		_, err = r.CompareAndSwap(t.Context(), version, []byte("after"))
		checkLine(t, err, row.want, append(row.says, row.code)...)
		if errors.Is(err, locking.ErrDoubt) || errors.Is(err, locking.ErrConflict) {
			t.Errorf("a refusal is no doubt and no conflict: %v", err)
		}
		s.set(func() { s.lie = lie{} })
		checkValue(t, r, "before")
	}
	s := newFakeStore(t)
	_, _, err := New(client(s.url, "id", "secret", nil), "missing", testKey).Read(t.Context())
	checkLine(t, err, nil, "no such bucket", "create it")
}

// setEnvironment has the SDK look nowhere but in a file of credentials.
func setEnvironment(t *testing.T) (file string) {
	dir := t.TempDir()
	file = filepath.Join(dir, "credentials")
	for name, value := range map[string]string{
		"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_CONFIG_FILE": filepath.Join(dir, "config"),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return file
}

func writeCredentials(t *testing.T, file, id string) {
	t.Helper()
	text := "[default]\naws_access_key_id=" + id + "\naws_secret_access_key=secret\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func openURL(t *testing.T, text string) (*Register, error) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), u, "/data/app.db")
}

// Credentials that a file got anew are used as soon as the store refuses the old ones.
func TestCredentialsRenewed(t *testing.T) {
	file := setEnvironment(t)
	writeCredentials(t, file, "first")
	s := newFakeStore(t)
	s.keys = map[string]bool{"first": true}
	r, err := openURL(t, "s3://"+testBucket+"/"+testKey+"?endpoint="+url.QueryEscape(s.url))
	if err != nil {
		t.Fatal(err)
	}
	version := mustSwap(t, r, locking.Unused, "one")
	s.set(func() { s.keys = map[string]bool{"second": true} })
	_, _, err = r.Read(t.Context())
	checkLine(t, err, locking.ErrUnreachable, "expired", "no new ones yet")
	_, err = r.CompareAndSwap(t.Context(), version, []byte("two"))
	checkLine(t, err, locking.ErrUnreachable, "expired")
	writeCredentials(t, file, "second")
	mustSwap(t, r, version, "two")
	checkValue(t, r, "two")
}

func TestNoCredentials(t *testing.T) {
	setEnvironment(t)
	s := newFakeStore(t)
	_, err := openURL(t, "s3://"+testBucket+"/"+testKey+"?endpoint="+url.QueryEscape(s.url))
	checkLine(t, err, locking.ErrUnreachable, "no credentials", "AWS_ACCESS_KEY_ID")
	_, err = openURL(t, "s3://"+testBucket+"/"+testKey)
	checkLine(t, err, nil, "no region", "AWS_REGION")
}

// A status can be had with credentials that may only read.
func TestReadOnlyCredentials(t *testing.T) {
	writeCredentials(t, setEnvironment(t), "id")
	s := newFakeStore(t)
	s.objects[testKey] = encode(state{}.writes.Next(), []byte("value"))
	s.lie = lie{refuse: "AccessDenied", status: http.StatusForbidden, refusePut: true}
	r, err := openURL(t, "s3://"+testBucket+"/"+testKey+"?endpoint="+url.QueryEscape(s.url))
	if err != nil {
		t.Fatal(err)
	}
	version := checkValue(t, r, "value")
	_, err = r.CompareAndSwap(t.Context(), version, []byte("x"))
	checkLine(t, err, errForbidden, "s3:PutObject")
}

// The record is there for people too, as the last lines of the object.
func TestReadableObject(t *testing.T) {
	r, s, _ := fakeRegister(t)
	mustSwap(t, r, locking.Unused, "{\n  \"holdfast\": 1\n}\n")
	out, err := client(s.url, "id", "secret", nil).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(testBucket), Key: aws.String(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if _, record, _ := strings.Cut(string(text), "\n"); record != "{\n  \"holdfast\": 1\n}\n" || err != nil {
		t.Errorf("the object is %q, %v", text, err)
	}
	if want := s.url; !strings.Contains(r.String(), url.QueryEscape(want)) {
		t.Errorf("the lock is called %s", r)
	}
}
