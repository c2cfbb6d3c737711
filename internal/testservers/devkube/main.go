// Command devkube is a Kubernetes API server with its etcd in one process, for tests.
//
//	devkube DIRECTORY CLIENT-PORT PEER-PORT [flag of kube-apiserver ...]
//
// It is a module of its own: what it needs is not to be in the one it is for.
package main

import (
	"log"
	"net/url"
	"os"
	"path/filepath"
	_ "time/tzdata"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: devkube DIRECTORY CLIENT-PORT PEER-PORT [flag of kube-apiserver ...]")
	}
	clients, peers := loopback(os.Args[2]), loopback(os.Args[3])
	c := embed.NewConfig()
	c.Dir = filepath.Join(os.Args[1], "etcd")
	c.LogLevel = "error"
	c.UnsafeNoFsync = true // no test switches the machine off
	c.ListenClientUrls, c.AdvertiseClientUrls = clients, clients
	c.ListenPeerUrls, c.AdvertisePeerUrls = peers, peers
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	e, err := embed.StartEtcd(c)
	if err != nil {
		log.Fatal(err)
	}
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		log.Fatal(err)
	}
	cmd := app.NewAPIServerCommand()
	cmd.SetArgs(append([]string{"--etcd-servers=" + clients[0].String()}, os.Args[4:]...))
	os.Exit(cli.Run(cmd))
}

func loopback(port string) []url.URL {
	return []url.URL{{Scheme: "http", Host: "127.0.0.1:" + port}}
}
