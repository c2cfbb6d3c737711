// Package guests has the plugins that come with Holdfast, each in a directory of its own, and
// the tests of those that speak to servers.
//
// The plugins etcd, consul and webdav are tested against real ones: etcd 3.6, alone and as a
// cluster of three whose members die and whose leaders change, Consul 1.13, and Apache 2.4
// with mod_dav under two of its multi-processing modules.
package guests
