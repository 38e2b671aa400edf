// SPDX-License-Identifier: Apache-2.0

// gomemory FILE: allocates known amounts from known places, keeps some of them, collects, writes the runtime's own heap profile to FILE, and then
// "ready PID"; ends after a minute. Kept: main.keepSmall 64 MiB in objects of 1024 bytes, main.keepLarge 32 MiB in objects of 1 MiB. Dropped: main.drop 256 MiB of
// 4096. main.inlined is inlined into main.around, which keeps 16 MiB of 2048.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var kept [][]byte
var dropped []byte

//go:noinline
func keepSmall() {
	for i := 0; i < 64<<10; i++ {
		kept = append(kept, make([]byte, 1024))
	}
}

//go:noinline
func keepLarge() {
	for i := 0; i < 32; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
}

//go:noinline
func drop() {
	for i := 0; i < 64<<10; i++ {
		dropped = make([]byte, 4096)
	}
	dropped = nil
}

func inlined() []byte { return make([]byte, 2048) }

//go:noinline
func around() {
	for i := 0; i < 8<<10; i++ {
		kept = append(kept, inlined())
	}
}

func main() {
	kept = make([][]byte, 0, 1<<20)
	keepSmall()
	keepLarge()
	drop()
	around()
	runtime.GC()
	runtime.GC()
	f, err := os.Create(os.Args[1])
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(f, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f.Close()
	fmt.Println("ready", os.Getpid())
	time.Sleep(time.Minute)
	runtime.KeepAlive(kept)
}
