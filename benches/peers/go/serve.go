package main

import (
	"io"
	"net"
	"net/http"
)

const bufferSize = 4096

// serveEcho sends back whatever comes, with one goroutine a connection.
// Go sets TCP_NODELAY by itself.
func serveEcho(address string) error {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go echo(connection)
	}
}

// echo reads into a buffer of its own: io.Copy would splice in the kernel.
func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, bufferSize)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

// serveHTTP greets whoever asks.
func serveHTTP(address string) error {
	greet := func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/plain")
		io.WriteString(answer, "Hello, World!")
	}
	return http.ListenAndServe(address, http.HandlerFunc(greet))
}
