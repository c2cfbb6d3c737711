package testservers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// User and password of [Apache].
const (
	ApacheUser     = "user"
	ApachePassword = "secret"
)

// Apache returns Apache's httpd with mod_dav, as Debian's package apache2-bin has it, under a
// multi-processing module (event, prefork or worker). Its directory /locks/ is a WebDAV
// collection, /private/ is another one that wants [ApacheUser], and /plain/ is none.
func Apache(mpm string) Kind {
	return Kind{
		name:  "apache2-" + mpm,
		build: func(_ context.Context, dir string) error { return nil },
		run: func(s *Server) (argv, env []string, err error) {
			program, err := exec.LookPath("apache2")
			if err != nil {
				if program, err = exec.LookPath("/usr/sbin/apache2"); err != nil {
					return nil, nil, fmt.Errorf("%w: apt-get install apache2-bin", err)
				}
			}
			config := filepath.Join(s.dir, "apache2.conf")
			if err := s.prepareApache(); err != nil {
				return nil, nil, err
			}
			return []string{program, "-DFOREGROUND", "-d", s.dir, "-f", config}, nil, os.WriteFile(config, []byte(s.apacheConfig(mpm)), 0o600)
		},
		ready: "/locks/",
		forks: true,
	}
}

// Docroot returns where the files of [Apache] are.
func (s *Server) Docroot() string { return filepath.Join(s.dir, "www") }

// prepareApache makes its directories. As root it serves as somebody else.
func (s *Server) prepareApache() error {
	uid, gid := -1, -1
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		uid, _ = strconv.Atoi(nobody.Uid)
		gid, _ = strconv.Atoi(nobody.Gid)
	}
	if err := os.Chmod(s.dir, 0o711); err != nil {
		return err
	}
	for _, dir := range []string{"www", "www/locks", "www/private", "www/plain", "db"} {
		path := filepath.Join(s.dir, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	// Of htpasswd -nbs.
	return os.WriteFile(filepath.Join(s.dir, "users"), []byte(ApacheUser+":{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"), 0o644)
}

func (s *Server) apacheConfig(mpm string) string {
	text := ""
	for _, m := range []string{"mpm_" + mpm, "authz_core", "authn_core", "authz_user", "auth_basic", "authn_file", "dav", "dav_fs"} {
		text += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	if os.Geteuid() == 0 {
		text += "User nobody\nGroup nogroup\n"
	}
	return text + fmt.Sprintf(`ServerName localhost
Listen %s
PidFile %s
ErrorLog /dev/stderr
LogLevel error
DocumentRoot %s
DAVLockDB %s
<Location /locks/>
  Dav On
</Location>
<Location /private/>
  Dav On
  AuthType Basic
  AuthName private
  AuthUserFile %s
  Require valid-user
</Location>
`, s.address, filepath.Join(s.dir, "pid"), s.Docroot(), filepath.Join(s.dir, "db", "locks"), filepath.Join(s.dir, "users"))
}
