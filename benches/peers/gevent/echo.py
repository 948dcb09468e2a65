"""An echo server on gevent: echo.py PORT WORKERS (gevent has one thread, whatever is asked for)."""

import sys
from socket import IPPROTO_TCP, TCP_NODELAY

from gevent.server import StreamServer

BUFFER = 4096
BACKLOG = 4096


def echo(connection, _address):
    connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    try:
        while received := connection.recv(BUFFER):
            connection.sendall(received)
    except ConnectionError:
        pass  # a reset ends this connection alone


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), echo, backlog=BACKLOG).serve_forever()
