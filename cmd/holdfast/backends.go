package main

// The locks that the driver does not bring by itself.
import (
	_ "github.com/holdfastdb/holdfast/backends/kubelease"
	_ "github.com/holdfastdb/holdfast/backends/s3lease"
	_ "github.com/holdfastdb/holdfast/wasmplugins"
)
