package flock

// The numbers of XNU, which its public headers leave out.
//
// https://github.com/apple-oss-distributions/xnu/blob/main/bsd/sys/fcntl.h
const (
	ofdSetLock = 90
	ofdGetLock = 92
)
