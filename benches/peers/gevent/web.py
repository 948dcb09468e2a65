"""Plain text by HTTP on gevent's pywsgi: web.py PORT WORKERS (one thread, whatever is asked)."""

import sys
from socket import IPPROTO_TCP, SO_REUSEADDR, SOL_SOCKET, TCP_NODELAY

from gevent import socket
from gevent.pywsgi import WSGIServer

TEXT = b"Hello, World!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(TEXT)))]


def greet(_environment, start_response):
    start_response("200 OK", HEADERS)
    return [TEXT]


def listener(port):
    listener = socket.socket()
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    # Those accepted inherit it: head and body are two writes, which would wait for each other.
    listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    return listener


if __name__ == "__main__":
    port = int(sys.argv[1])
    WSGIServer(listener(port), greet, log=None, error_log=None).serve_forever()
