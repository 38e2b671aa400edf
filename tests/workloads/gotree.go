// SPDX-License-Identifier: Apache-2.0

// gotree SECONDS [frameless]: the tree of tree.h in Go, on one goroutine: main.top1 50, main.top2 30, main.top3 20 per cent, each under
// main.spin. With `frameless` it is main.spinFrameless, which needs no stack, so that Go gives it no frame: the frame pointer is that
// of its caller, and only the line table knows.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// a round takes about 10 ms, as in tree.h
const units = 60

var sink uint64

var frameless bool

//go:noinline
func spinFrameless(n uint64) uint64 {
	x := uint64(3)
	for ; n > 0; n-- {
		x = x * x * x * x * x
		x |= 1
	}
	return x
}

//go:noinline
func spin(n uint64) uint64 {
	var onStack [16]uint64
	x := uint64(3)
	for ; n > 0; n-- {
		x = x * x * x * x * x
		x |= 1
	}
	onStack[x&15] = x
	return onStack[3]
}

//go:noinline
func top1(scale uint64) {
	if frameless {
		sink += spinFrameless(50 * units * scale)
	} else {
		sink += spin(50 * units * scale)
	}
}

//go:noinline
func top2(scale uint64) {
	if frameless {
		sink += spinFrameless(30 * units * scale)
	} else {
		sink += spin(30 * units * scale)
	}
}

//go:noinline
func top3(scale uint64) {
	if frameless {
		sink += spinFrameless(20 * units * scale)
	} else {
		sink += spin(20 * units * scale)
	}
}

//go:noinline
func c1(scale uint64, third bool) {
	if third {
		top3(scale)
	} else {
		top1(scale)
	}
}

//go:noinline
func b1(scale uint64) { c1(scale, false) }

//go:noinline
func b2(scale uint64) { top2(scale) }

//go:noinline
func a1(scale uint64) {
	b1(scale)
	b2(scale)
}

//go:noinline
func a2(scale uint64) { c1(scale, true) }

//go:noinline
func treeRound(scale uint64) {
	a1(scale)
	a2(scale)
}

func main() {
	runtime.GOMAXPROCS(1)
	seconds := 5.0
	if len(os.Args) > 1 {
		s, err := strconv.ParseFloat(os.Args[1], 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		seconds = s
	}
	frameless = len(os.Args) > 2 && os.Args[2] == "frameless"
	end := time.Now().Add(time.Duration(seconds * 1e9))
	fmt.Printf("ready %d\n", os.Getpid())
	random := uint64(os.Getpid())*0x9e3779b97f4a7c15 | 1
	for n := 0; n&7 != 0 || time.Now().Before(end); n++ {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		treeRound(100 + (random>>32)%200)
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		fmt.Printf("cpu_ns %d\n", usage.Utime.Nano()+usage.Stime.Nano())
	}
}
