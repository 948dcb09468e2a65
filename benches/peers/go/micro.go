package main

import (
	"math/rand"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// The sizes are those of the rows in Rust.
const (
	spawns       = 200_000
	spawnRounds  = 300
	yields       = 2_000_000
	sleeperCount = 100_000
	locks        = 20_000_000
	lockers      = 1000
	lockRounds   = 500
	holdRounds   = 100
	messages     = 2_000_000
	capacity     = 1024
	handoffs     = 300_000
	selected     = 1_000_000
	jobs         = 100_000
	pool         = 100
)

// rows return how many operations they were.
var rows = map[string]func() int{
	"spawn_seq":       spawnSeq,
	"spawn_1k":        func() int { return spawnBatches(spawnRounds, 1000) },
	"spawn_join_100k": func() int { return spawnBatches(1, 100_000) },
	"spawn_join_1m":   func() int { return spawnBatches(1, 1_000_000) },
	"yield_2":         func() int { return yielding(2) },
	"yield_1k":        func() int { return yielding(1000) },
	"yield_100k":      func() int { return yielding(100_000) },
	"mutex":           lockAlone,
	"mutex_1k":        func() int { return locking(lockRounds, false) },
	"mutex_1k_hold":   func() int { return locking(holdRounds, true) },
	"mpsc_1_1":        func() int { return sending(1) },
	"mpsc_4_1":        func() int { return sending(4) },
	"pingpong":        pingpong,
	"select_2":        func() int { return selecting(1) },
	"select_2_1k":     func() int { return selecting(capacity) },
	"pool_map":        poolMap,
}

var parkSizes = map[string]int{"park_10k": 10_000, "park_100k": 100_000, "park_1m": 1_000_000}

func runRow(name string) {
	switch row, size := rows[name], parkSizes[name]; {
	case row != nil:
		meter := startMeter()
		ops := row()
		meter.report(name, ops).print()
	case size > 0:
		park(name, size).print()
	case name == "sleep_100k":
		sleepers(name).print()
	default:
		runGrowth(name)
	}
}

func noSuchRow() {
	os.Exit(2)
}

// all runs body in count goroutines, and waits for them.
func all(count int, body func(n int)) {
	var group sync.WaitGroup
	group.Add(count)
	for n := 0; n < count; n++ {
		n := n
		go func() {
			defer group.Done()
			body(n)
		}()
	}
	group.Wait()
}

var sink atomic.Int64

func spawnSeq() int {
	done := make(chan int, 1)
	for n := 0; n < spawns; n++ {
		n := n
		go func() { done <- n }()
		<-done
	}
	return spawns
}

func spawnBatches(rounds, size int) int {
	for round := 0; round < rounds; round++ {
		all(size, func(int) {})
	}
	return rounds * size
}

func yielding(count int) int {
	each := yields / count
	all(count, func(int) {
		for n := 0; n < each; n++ {
			runtime.Gosched()
		}
	})
	return count * each
}

func lockAlone() int {
	var mutex sync.Mutex
	value := 0
	for n := 0; n < locks; n++ {
		mutex.Lock()
		value++
		mutex.Unlock()
	}
	sink.Store(int64(value))
	return locks
}

func locking(rounds int, holds bool) int {
	var mutex sync.Mutex
	value := 0
	all(lockers, func(int) {
		for n := 0; n < rounds; n++ {
			mutex.Lock()
			value++
			if holds {
				runtime.Gosched()
			}
			mutex.Unlock()
			if !holds {
				runtime.Gosched()
			}
		}
	})
	if value != lockers*rounds {
		fail("the mutex let two in")
	}
	return value
}

func sending(senders int) int {
	channel := make(chan int, capacity)
	each := messages / senders
	all(senders+1, func(n int) {
		if n == senders {
			for m := 0; m < senders*each; m++ {
				<-channel
			}
			return
		}
		for m := 0; m < each; m++ {
			channel <- m
		}
	})
	return senders * each
}

func pingpong() int {
	ping, pong := make(chan int, 1), make(chan int, 1)
	all(2, func(side int) {
		for n := 0; n < handoffs; n++ {
			if side == 1 {
				pong <- <-ping
				continue
			}
			ping <- n
			if <-pong != n {
				fail("another item came back")
			}
		}
	})
	return handoffs
}

func selecting(capacity int) int {
	first, second := make(chan int, capacity), make(chan int, capacity)
	all(3, func(side int) {
		for n := 0; side == 0 && n < selected; n++ {
			select {
			case <-first:
			case <-second:
			}
		}
		for n := 0; side == 1 && n < selected/2; n++ {
			first <- n
		}
		for n := 0; side == 2 && n < selected/2; n++ {
			second <- n
		}
	})
	return selected
}

func poolMap() int {
	room := make(chan struct{}, pool)
	doubled := make([]int, jobs)
	var group sync.WaitGroup
	for n := 0; n < jobs; n++ {
		room <- struct{}{}
		group.Add(1)
		n := n
		go func() {
			defer group.Done()
			doubled[n] = 2 * n
			<-room
		}()
	}
	group.Wait()
	for n, result := range doubled {
		if result != 2*n {
			fail("a job got lost")
		}
	}
	return jobs
}

func sleepers(name string) figures {
	random := rand.New(rand.NewSource(42))
	times := make([]time.Duration, sleeperCount)
	for n := range times {
		times[n] = time.Duration(1+random.Intn(1000)) * time.Millisecond
	}
	late := make([]time.Duration, sleeperCount)
	meter := startMeter()
	all(sleeperCount, func(n int) {
		start := time.Now()
		time.Sleep(times[n])
		late[n] = time.Since(start) - times[n]
	})
	report := meter.report(name, sleeperCount)
	report.addOvershoot(late)
	return report
}

func park(name string, count int) figures {
	before := memoryNow()
	gate := make(chan struct{})
	var waiting atomic.Int64
	var group sync.WaitGroup
	group.Add(count)
	meter := startMeter()
	for n := 0; n < count; n++ {
		go func() {
			waiting.Add(1)
			<-gate
			group.Done()
		}()
	}
	for waiting.Load() < int64(count) {
		runtime.Gosched()
	}
	report := meter.report(name, count)
	time.Sleep(100 * time.Millisecond)
	before.addGrowth(report, count)
	start := time.Now()
	close(gate)
	group.Wait()
	report["wake_join_ns_per_task"] = float64(time.Since(start).Nanoseconds()) / float64(count)
	return report
}
