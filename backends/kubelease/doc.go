// Package kubelease keeps a register in a Lease of Kubernetes (coordination.k8s.io/v1).
//
// The record stands in an annotation, and the Lease's own fields say for people and tools
// what it means: holderIdentity is the process that holds the highest level (its pod, if
// POD_NAME is set), leaseDurationSeconds its ttl, acquireTime and renewTime are by its
// clock, and leaseTransitions is the epoch.
//
// To swap is to PUT the Lease with the uid and the resourceVersion that were read, so of
// all swaps from one version one takes effect, and one that comes late is refused. Each is
// sent once: whatever is not an answer is [locking.ErrDoubt]. A second annotation names the
// latest writes, by which who was refused can tell whether that was for an earlier success
// of its own. See package trail. To read is a GET without a resourceVersion, which the API
// server answers from a quorum of etcd.
//
// A Lease whose fields do not say what the record means was changed by hand, or is in use
// by another program, such as one that elects a leader: that is [locking.ErrForeign].
//
// # Rights
//
// The least is get, watch and update of the one Lease, which somebody else creates
// beforehand, empty:
//
//	apiVersion: coordination.k8s.io/v1
//	kind: Lease
//	metadata: {name: app-db, namespace: apps}
//	---
//	apiVersion: rbac.authorization.k8s.io/v1
//	kind: Role
//	metadata: {name: app-db, namespace: apps}
//	rules:
//	- apiGroups: [coordination.k8s.io]
//	  resources: [leases]
//	  resourceNames: [app-db]
//	  verbs: [get, watch, update]
//
// With the verb create, in a rule without resourceNames, the Lease is created when it is
// missing. Without watch the Lease is polled.
//
// # Connections
//
// Requests go over HTTP/1.1: there one that is given up takes its connection with it,
// while HTTP/2 would go on to use one that leads nowhere for up to 45 s. client-go's own
// limit of requests is off: the coordinator sends one at a time.
//
// # URLs
//
// See [Open] for the lock URLs; a blank import of this package registers them.
package kubelease
