package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figures are printed as one line of JSON.
type figures map[string]any

func (f figures) print() {
	line, err := json.Marshal(f)
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
}

// meter measures wall and CPU time since its start.
type meter struct {
	wall time.Time
	cpu  int64
}

func startMeter() meter {
	return meter{time.Now(), ownCPU()}
}

// report has the times of ops operations since the start.
func (m meter) report(name string, ops int) figures {
	wall, cpu := time.Since(m.wall).Nanoseconds(), ownCPU()-m.cpu
	return figures{
		"name":           name,
		"ops":            ops,
		"wall_ns_per_op": float64(wall) / float64(ops),
		"cpu_ns_per_op":  float64(cpu) / float64(ops),
		"maxrss_kb":      statusKB("VmHWM"),
		"wall_ms":        float64(wall) / 1e6,
		"cpu_ms":         float64(cpu) / 1e6,
	}
}

func ownCPU() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// memory is what the process holds: bytes resident, bytes of page tables, mappings.
type memory struct{ resident, tables, mappings int }

func memoryNow() memory {
	maps, _ := os.ReadFile("/proc/self/maps")
	return memory{statusKB("VmRSS") * 1024, statusKB("VmPTE") * 1024, bytes.Count(maps, []byte("\n"))}
}

func (before memory) addGrowth(f figures, count int) {
	now := memoryNow()
	each := func(now, before int) float64 { return float64(now-before) / float64(count) }
	f["rss_bytes_per_task"] = each(now.resident, before.resident)
	f["pte_bytes_per_task"] = each(now.tables, before.tables)
	f["vmas_per_task"] = each(now.mappings, before.mappings)
}

func (f figures) addOvershoot(late []time.Duration) {
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	at := func(share float64) int64 { return late[int(float64(len(late)-1)*share)].Microseconds() }
	f["overshoot_p50_us"], f["overshoot_p99_us"], f["overshoot_max_us"] = at(0.5), at(0.99), at(1)
}

// statusKB reads a line `key:  123 kB`.
func statusKB(key string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key+":" {
			count, _ := strconv.Atoi(fields[1])
			return count
		}
	}
	return 0
}
