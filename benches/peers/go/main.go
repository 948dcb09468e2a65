// The programs of the suite in Go: echo and HTTP servers, and the micro rows.
//
//	peer echo PORT WORKERS
//	peer http PORT WORKERS
//	peer micro ROW --workers N
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
)

func main() {
	args := os.Args[1:]
	if len(args) != 3 && len(args) != 4 {
		fail("expected: echo PORT WORKERS | http PORT WORKERS | micro ROW --workers N")
	}
	workers, err := strconv.Atoi(args[len(args)-1])
	if err != nil {
		fail(err)
	}
	if workers > 0 {
		runtime.GOMAXPROCS(workers)
	}
	switch args[0] {
	case "echo":
		fail(serveEcho("127.0.0.1:" + args[1]))
	case "http":
		fail(serveHTTP("127.0.0.1:" + args[1]))
	case "micro":
		runRow(args[1])
	default:
		fail("no such program: " + args[0])
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, "peer:", why)
	os.Exit(1)
}
