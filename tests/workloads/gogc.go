// SPDX-License-Identifier: Apache-2.0

// gogc SECONDS: makes trees and lets go of them beside one that it keeps, on one goroutine: much of its time is the garbage collector's.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func main() {
	seconds, err := strconv.Atoi(os.Args[1])
	if err != nil {
		os.Exit(2)
	}
	kept := tree(19)
	fmt.Println("ready", os.Getpid())
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		runtime.KeepAlive(tree(12))
	}
	runtime.KeepAlive(kept)
}
