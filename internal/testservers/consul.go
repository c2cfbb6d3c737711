package testservers

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// ConsulToken is that of somebody who may do everything in [Consul].
const ConsulToken = "8a5a3b1e-0000-4000-8000-000000000001"

// Consul is a single server of Consul, the newest that can be built by its modules alone. It
// checks tokens, and refuses who has none. It is run, and never linked.
var Consul = Kind{
	name:  "consul-1.13.9",
	build: buildModule("devconsul", "github.com/hashicorp/consul"),
	run: func(s *Server) (argv, env []string, err error) {
		config := filepath.Join(s.dir, "config.hcl")
		host, port := s.hostPort()
		ports := make([]any, 3)
		for i := range ports {
			address, err := freeAddress()
			if err != nil {
				return nil, nil, err
			}
			ports[i] = address[len(host)+1:]
		}
		text := fmt.Sprintf(`server = true
bootstrap_expect = 1
bind_addr = %q
client_addr = %q
data_dir = %q
log_level = "ERROR"
disable_update_check = true
leave_on_terminate = false
ports { http = %s, dns = -1, grpc = -1, server = %s, serf_lan = %s, serf_wan = %s }
performance { raft_multiplier = 1 }
acl {
  enabled = true
  default_policy = "deny"
  tokens { initial_management = %q }
}
`, host, host, filepath.Join(s.dir, "data"), port, ports[0], ports[1], ports[2], ConsulToken)
		return []string{s.program("devconsul"), "agent", "-config-file=" + config}, nil, os.WriteFile(config, []byte(text), 0o600)
	},
	ready:  "/v1/kv/ready?consistent&token=" + ConsulToken,
	status: http.StatusNotFound, // 500 without a leader, and 403 until that knows the token
}
