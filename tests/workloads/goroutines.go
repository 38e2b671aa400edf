// SPDX-License-Identifier: Apache-2.0

// goroutines SCALE FILE [running] [churn] [leak]: goroutines that wait in known places, SCALE times as many: receive 10, select 7, mutex 5, sleep 3,
// network 2, system call 1 (at most 20). `running`: one more that computes. `churn`: four that make a goroutine, wait for its end, and so on. `leak`: one every
// millisecond is made that waits for ever. Writes the runtime's own goroutine profile to FILE, and then "ready PID"; ends after a minute.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var (
	never  = make(chan int)
	other  = make(chan int)
	mutex  sync.Mutex
	pipe   [2]int
	sink   uint64
	listen net.Listener
)

//go:noinline
func waitReceive() { <-never }

//go:noinline
func receiver() { waitReceive() }

//go:noinline
func selecter() {
	select {
	case <-never:
	case <-other:
	}
}

//go:noinline
func locker() { mutex.Lock() }

//go:noinline
func sleeper() { time.Sleep(time.Hour) }

//go:noinline
func accepter() { listen.Accept() }

//go:noinline
func reader() {
	var b [1]byte
	syscall.Read(pipe[0], b[:])
}

//go:noinline
func spinner() {
	for {
		sink++
	}
}

//go:noinline
func forgotten() { <-never }

//go:noinline
func leaker() {
	for {
		go forgotten() // the leak
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func brief(done chan int) { done <- 1 }

//go:noinline
func churner() {
	done := make(chan int)
	for {
		go brief(done)
		<-done
	}
}

//go:noinline
func makeAll(scale int) {
	for i := 0; i < scale; i++ {
		for j := 0; j < 10; j++ {
			go receiver()
		}
		for j := 0; j < 7; j++ {
			go selecter()
		}
		for j := 0; j < 5; j++ {
			go locker()
		}
		for j := 0; j < 3; j++ {
			go sleeper()
		}
		for j := 0; j < 2; j++ {
			go accepter()
		}
		if i < 20 { // each takes a thread
			go reader()
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	scale, err := strconv.Atoi(os.Args[1])
	must(err)
	listen, err = net.Listen("tcp", "127.0.0.1:0")
	must(err)
	must(syscall.Pipe(pipe[:]))
	mutex.Lock()
	makeAll(scale)
	time.Sleep(300 * time.Millisecond) // until all of them wait
	for _, what := range os.Args[3:] {
		switch what {
		case "running":
			go spinner()
		case "churn":
			for i := 0; i < 4; i++ {
				go churner()
			}
		case "leak":
			go leaker()
		}
	}
	f, err := os.Create(os.Args[2])
	must(err)
	must(pprof.Lookup("goroutine").WriteTo(f, 0))
	must(f.Close())
	fmt.Println("goroutines", runtime.NumGoroutine())
	fmt.Println("ready", os.Getpid())
	time.Sleep(time.Minute)
}
