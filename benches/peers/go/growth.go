package main

import (
	"math/rand"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// runGrowth runs a row KIND@COUNT.
func runGrowth(name string) {
	kind, size, found := strings.Cut(name, "@")
	count, err := strconv.Atoi(size)
	if !found || err != nil {
		noSuchRow()
	}
	switch kind {
	case "spawn":
		meter := startMeter()
		ops := spawnBatches(roundsOf(200_000, count, 20_000), count)
		meter.report(name, ops).print()
	case "yield":
		each := roundsOf(1_000_000, count, 20_000)
		together(name, count, each, func() { runtime.Gosched() })
	case "timer":
		longest := longestSleep(count)
		together(name, count, roundsOf(100_000, count, 500), func() {
			time.Sleep(time.Duration(rand.Int63n(int64(longest))))
		})
	case "wake":
		wake(name, count)
	default:
		noSuchRow()
	}
}

// roundsOf makes at least so many operations of count at a time, but no more than `most` rounds.
func roundsOf(operations, count, most int) int {
	rounds := operations / count
	if rounds < 2 {
		return 2
	}
	if rounds > most {
		return most
	}
	return rounds
}

func longestSleep(count int) time.Duration {
	longest := time.Duration(count) * 10 * time.Microsecond
	if longest < time.Millisecond {
		return time.Millisecond
	}
	if longest > 2*time.Second {
		return 2 * time.Second
	}
	return longest
}

// together measures `each` times step in count goroutines, from when all run to when all are done.
func together(name string, count, each int, step func()) {
	var started, ended atomic.Int64
	var begin meter
	var report figures
	all(count, func(int) {
		if started.Add(1) == int64(count) {
			begin = startMeter()
			started.Add(1)
		}
		for started.Load() <= int64(count) {
			runtime.Gosched()
		}
		for n := 0; n < each; n++ {
			step()
		}
		if ended.Add(1) == int64(count) {
			report = begin.report(name, count*each)
		}
	})
	report.print()
}

// wake measures wake-ups of count goroutines, each of which waits for a channel of its own.
func wake(name string, count int) {
	rounds := roundsOf(200_000, count, 20_000)
	gates := make([]chan struct{}, count)
	for n := range gates {
		gates[n] = make(chan struct{}, 1)
	}
	var arrived sync.WaitGroup
	var ended sync.WaitGroup
	arrived.Add(count)
	ended.Add(count)
	for n := 0; n < count; n++ {
		gate := gates[n]
		go func() {
			arrived.Done()
			for round := 0; round < rounds; round++ {
				<-gate
				arrived.Done()
			}
			ended.Done()
		}()
	}
	arrived.Wait()
	meter := startMeter()
	for round := 0; round < rounds; round++ {
		arrived.Add(count)
		for _, gate := range gates {
			gate <- struct{}{}
		}
		arrived.Wait()
	}
	report := meter.report(name, rounds*count)
	ended.Wait()
	report.print()
}
