"""A memcached that lies: it stands before a real one and spoils the answers to get.

    liar = Liar(memcached); liar.lie = "another_key"

Lies: None (honest), "late" (delay seconds), "garbage", "another_key" (the right keys, but the
values of one another), "wrong_key" (a key nobody asked for), "one_marker" (the second marker never
comes), "no_marker", "cut" (half a reply, then the end), "silent" (nothing, connection open), "error".
A lie holds from the next request on, on open connections too.
"""

import socket
import socketserver
import threading
import time

from . import ports


class _Connection(socketserver.BaseRequestHandler):
    def handle(self):
        liar = self.server.liar
        family = socket.AF_UNIX if isinstance(liar.upstream.address, str) else socket.AF_INET
        with socket.socket(family) as upstream:
            upstream.connect(liar.upstream.address)
            client, server = self.request.makefile("rb"), upstream.makefile("rb")
            try:
                while line := client.readline():
                    self.one(liar, line, client, upstream, server)
            except (OSError, _Hang):
                pass

    def one(self, liar, line, client, upstream, server):
        words = line.split()
        command = words[0] if words else b""
        if command in (b"set", b"add", b"replace", b"append", b"prepend", b"cas"):
            line += client.read(int(words[4]) + 2)
        upstream.sendall(line)
        if b"noreply" in words:
            return
        if command not in (b"get", b"gets"):
            reply = server.readline()
            while reply.startswith(b"STAT "):
                self.request.sendall(reply)
                reply = server.readline()
            self.request.sendall(reply)
            return
        liar.requests.append(words[1:])
        values = []
        while (head := server.readline()) and head.startswith(b"VALUE "):
            values.append((head, server.read(int(head.split()[3]) + 2)))
        self.request.sendall(liar.spoil(values))
        if liar.lie == "cut":
            raise _Hang


class _Hang(Exception):
    """Ends the connection."""


class Liar:
    def __init__(self, upstream, delay=2.0):
        self.upstream = upstream       # a running Memcached
        self.delay = delay             # seconds, for "late"
        self.lie = None
        self.requests = []             # the keys of each get
        self.address = ("127.0.0.1", ports.free_port())
        self.server = socketserver.ThreadingTCPServer(self.address, _Connection, bind_and_activate=False)
        self.server.allow_reuse_address = True
        self.server.daemon_threads = True
        self.server.liar = self
        self.server.server_bind()
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def setting(self):
        return "memcached:%s:%d" % self.address

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def spoil(self, values):
        """The reply to a get, from the true (head, value) pairs."""
        is_marker = lambda pair: pair[0].split()[1].endswith(b":marker")
        if self.lie == "late":
            time.sleep(self.delay)
        elif self.lie == "silent":
            raise_when = time.monotonic() + 60
            while self.lie == "silent" and time.monotonic() < raise_when:
                time.sleep(0.02)
            raise _Hang
        elif self.lie == "garbage":
            return b"\x80\x00 what? \xff\r\nVALUE VALUE\r\n0 0 0\r\n"
        elif self.lie == "error":
            return b"SERVER_ERROR out of memory reading request\r\n"
        elif self.lie == "another_key":
            records = [pair for pair in values if not is_marker(pair)]
            bodies = [body for _, body in records[1:] + records[:1]]
            if len(bodies) == 1:  # alone: a record of somebody else
                bodies = [self.foreign_value]
            records = [(self._head(head, body), body) for (head, _), body in zip(records, bodies)]
            markers = [pair for pair in values if is_marker(pair)]
            values = markers[:1] + records + markers[1:]
        elif self.lie == "wrong_key":
            values = [(head if is_marker((head, body)) else head.replace(b":user:", b":user:x"), body)
                      for head, body in values]
        elif self.lie == "one_marker":
            markers = [pair for pair in values if is_marker(pair)]
            values = markers[:1] + [pair for pair in values if not is_marker(pair)]
        elif self.lie == "no_marker":
            values = [pair for pair in values if not is_marker(pair)]
        reply = b"".join(head + body for head, body in values) + b"END\r\n"
        return reply[:len(reply) // 2] if self.lie == "cut" else reply

    foreign_value = b"user somebody-else host=127.0.0.66 port=1 pos=0000000000000001.1.1\r\n"

    @staticmethod
    def _head(head, body):
        words = head.split()
        words[3] = str(len(body) - 2).encode()
        return b" ".join(words) + b"\r\n"
