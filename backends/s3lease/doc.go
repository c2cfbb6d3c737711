// Package s3lease keeps a register in an object of S3, or of a store that speaks its
// protocol.
//
// The object is created with If-None-Match: * and replaced with If-Match, so of all swaps
// from one version one takes effect, and one that comes late finds another version there.
// It is never deleted: a DELETE with a condition is ignored by some stores and is not
// atomic in others. To read is one GET, which S3 answers with the latest write.
//
// The object holds a line that belongs to this package, and then the value as it is:
//
//	{"holdfast-register":1,"writes":"NONCE.NONCE"}
//	{ the record }
//
// The line names the latest writes. That makes every content and so every ETag a new one,
// also after the object was deleted and made again; and who was answered 412 or 409 can
// tell by it whether that was for an earlier success of its own. See package trail.
//
// # Retries
//
// A PUT is sent once: the SDK's retries are off for it, since only the coordinator knows
// whether what it wanted is still wanted. Whatever is not an answer (a lost connection, a
// reply that comes too late, any 5xx) is [locking.ErrDoubt], and the next look tells. GETs
// are retried by the SDK, with its back-off and jitter, until their context ends.
//
// Requests go over HTTP/1.1: one that is given up takes its connection with it, which may lead
// nowhere any more. A client that is given to [New] should be like that, too.
//
// # Requirements
//
// The store must honour both conditions, and read what was written last. A bucket is tried
// once in each process, when it is opened, with an object beside the register, KEY.probe,
// which stays: see [Register.Probe].
//
// The credentials need s3:GetObject and s3:PutObject on both objects, and s3:ListBucket on
// the bucket: without that S3 calls a missing object a forbidden one.
//
// # URLs
//
// See [Open] for the lock URLs; a blank import of this package registers them.
package s3lease
