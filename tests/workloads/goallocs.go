// SPDX-License-Identifier: Apache-2.0

// goallocs SECONDS: allocates known amounts from known functions, in two goroutines, and says how much, as allocs does.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type bill struct{ objects, bytes int64 }

func (b *bill) note(bytes int) {
	atomic.AddInt64(&b.objects, 1)
	atomic.AddInt64(&b.bytes, int64(bytes))
}

var small, large bill
var sinks [2]struct {
	small *[48]byte
	large []byte
}

//go:noinline
func take_small(at int) {
	sinks[at].small = new([48]byte)
	small.note(48)
}

//go:noinline
func take_large(at, bytes int) {
	sinks[at].large = make([]byte, bytes)
	large.note(bytes)
}

func main() {
	seconds, _ := strconv.Atoi(os.Args[1])
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	var done sync.WaitGroup
	fmt.Println("ready", os.Getpid())
	for at := range sinks {
		done.Add(1)
		go func(at int) {
			defer done.Done()
			for time.Now().Before(end) {
				for i := 0; i < 20; i++ {
					take_small(at)
					if i%10 == 0 {
						take_large(at, 15000)
					}
				}
				time.Sleep(200 * time.Microsecond)
			}
		}(at)
	}
	done.Wait()
	fmt.Println("truth small", small.objects, small.bytes)
	fmt.Println("truth large", large.objects, large.bytes)
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	fmt.Println("cpu_ns", u.Utime.Nano()+u.Stime.Nano())
}
