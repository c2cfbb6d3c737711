// Command least is the smallest program with Holdfast: what it links, every program does.
package main

import _ "github.com/holdfastdb/holdfast"

func main() {}
