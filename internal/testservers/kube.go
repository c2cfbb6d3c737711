package testservers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
)

// AdminToken is that of somebody who may do everything in [Kube].
const AdminToken = "admintoken"

// Kube is the API server of Kubernetes 1.36 with its own etcd. It checks tokens and rights.
var Kube = Kind{
	name:  "devkube-1.36.3",
	build: buildModule("devkube", "."),
	run: func(s *Server) (argv, env []string, err error) {
		host, port := s.hostPort()
		key := filepath.Join(s.dir, signingKey)
		if err := s.prepareKube(key); err != nil {
			return nil, nil, err
		}
		argv = []string{s.program("devkube"), s.dir}
		for range 2 { // etcd's
			address, err := freeAddress()
			if err != nil {
				return nil, nil, err
			}
			argv = append(argv, address[len(host)+1:])
		}
		return append(argv,
			"--bind-address="+host, "--advertise-address="+host, "--secure-port="+port,
			"--cert-dir="+filepath.Join(s.dir, "pki"), "--token-auth-file="+filepath.Join(s.dir, "tokens.csv"),
			"--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file="+key, "--service-account-signing-key-file="+key,
			"--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
			"--endpoint-reconciler-type=none"), nil, nil
	},
	ready:  "/readyz",
	status: http.StatusOK,
	tls:    true,
}

// prepareKube writes what the API server reads at its start.
func (s *Server) prepareKube(key string) error {
	if _, err := os.Stat(key); err == nil {
		return nil // it ran before
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}
	if err := os.WriteFile(key, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	tokens := AdminToken + `,admin,admin,"system:masters"` + "\n"
	return os.WriteFile(filepath.Join(s.dir, "tokens.csv"), []byte(tokens), 0o600)
}

// SigningKey returns what [Kube] signs the tokens of ServiceAccounts with.
func (s *Server) SigningKey() (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, signingKey))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}

const signingKey = "sa.key"

// CertificateAuthority returns the certificate that [Kube] is to be trusted by, as PEM.
func (s *Server) CertificateAuthority() ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dir, "pki", "apiserver.crt"))
}

func (s *Server) authorize(req *http.Request) {
	if s.kind.name == Kube.name {
		req.Header.Set("Authorization", "Bearer "+AdminToken)
	}
}
