// Package c has the header for plugins that are written in C.
package c

import _ "embed"

// Header is holdfast.h.
//
//go:embed holdfast.h
var Header string
