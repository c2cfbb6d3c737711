//go:build remote

package main

// The locks that a server keeps, which make the program three times as large.
import (
	_ "github.com/holdfastdb/holdfast/backends/kubelease"
	_ "github.com/holdfastdb/holdfast/backends/s3lease"
)
