"""A backend that holds thousands of logins, and clients that make them: one thread, one epoll each.

    with HoldingBackend("127.0.0.61") as backend, Held(site) as held:
        held.login("john", count=100)
        backend.sources()         # Counter: address → connections that are logged in now
        backend.speaks = "pop3"   # to those who connect from now on, on the same port

The backend believes everybody. It speaks as much of IMAP and POP3 as a proxy needs.
"""

import collections
import contextlib
import itertools
import selectors
import socket
import threading
import time

from . import ports
from .backend import password_of
from .process import wait_until

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python has no name for it
GREETINGS = {"imap": b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS AUTH=PLAIN] ready\r\n",
             "pop3": b"+OK ready\r\n"}


def connect_from(address, to, no_port=False):
    """A connection from that address, its port chosen by bind() or, with no_port, by connect()."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(socket.socket())
        if no_port:
            made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        made.bind((address, 0))
        made.connect(to)
        stack.pop_all()
        return made


class _Guest:
    """One connection to the backend."""

    def __init__(self, connection, service, source):
        self.connection, self.service, self.source = connection, service, source
        self.text, self.logged_in = b"", False

    def answer(self, line):
        if self.service == "imap":
            tag, _, command = line.partition(b" ")
            word = command.split(b" ")[0].upper()
            self.logged_in = self.logged_in or word in (b"LOGIN", b"AUTHENTICATE")
            return tag + b" OK [CAPABILITY IMAP4rev1] done\r\n"
        self.logged_in = self.logged_in or line[:5].upper() == b"PASS "
        return b"+OK\r\n"


class HoldingBackend:
    def __init__(self, host, speaks="imap"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host, self.port, self.speaks = host, ports.free_port(), speaks
        self._selector, self._guests, self._lock = selectors.EpollSelector(), {}, threading.Lock()
        self._listener = socket.create_server((host, self.port), family=family, backlog=1024)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ended, self._disconnecting = False, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def fields(self):
        """As a record names it."""
        return f"host={self.host} port={self.port}"

    def sources(self):
        with self._lock:
            return collections.Counter(guest.source for guest in self._guests.values() if guest.logged_in)

    def wait_for(self, count):
        """Until just so many are logged in."""
        wait_until(lambda: self.sources().total() == count, f"{count} connections of {self.sources()}")

    def catch_up(self):
        """Until all that has happened before is seen: the second of these finds nothing before it."""
        for _ in range(2):
            with socket.create_connection((self.host, self.port)) as connection:
                connection.recv(1)

    def disconnect_all(self):
        """Ends all sessions, and waits for that. The port that stays in TIME_WAIT is this end's own."""
        self._disconnecting.set()
        self.wait_for(0)

    def _run(self):
        while not self._ended:
            if self._disconnecting.is_set():
                self._disconnecting.clear()
                for guest in list(self._guests.values()):
                    self._forget(guest)
            for key, _ in self._selector.select(0.05):
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data)

    def _accept(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, source = self._listener.accept()
                guest = _Guest(connection, self.speaks, source[0])
                with self._lock:
                    self._guests[connection.fileno()] = guest
                self._selector.register(connection, selectors.EVENT_READ, guest)
                self._send(guest, GREETINGS[guest.service])

    def _send(self, guest, data):
        with contextlib.suppress(OSError):  # then it is gone, and select() says so
            guest.connection.send(data)

    def _serve(self, guest):
        try:
            data = guest.connection.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._forget(guest)
            return
        *lines, guest.text = (guest.text + data).split(b"\r\n")
        if lines:
            self._send(guest, b"".join([guest.answer(line) for line in lines]))

    def _forget(self, guest):
        self._selector.unregister(guest.connection)
        with self._lock:
            del self._guests[guest.connection.fileno()]
        guest.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._thread.join()
        for one in [self._listener, *(guest.connection for guest in self._guests.values())]:
            one.close()
        self._selector.close()


class _Attempt:
    def __init__(self, connection, service, user):
        password = password_of(user)
        self.connection, self.service, self.text = connection, service, b""
        self.commands = (f"a login {user} {password}\r\n" if service == "imap"
                         else f"user {user}\r\npass {password}\r\n").encode()

    def ended(self):
        """How it went, None while that is open."""
        lines = self.text.split(b"\r\n")[:-1]
        if self.service == "imap":
            tagged = [line for line in lines if line.startswith(b"a ")]
            return tagged[0] if tagged else None
        bad = [line for line in lines if line.startswith(b"-ERR")]
        return bad[0] if bad else lines[2] if len(lines) >= 3 else None


class Held:
    """Logins that stay: connections of clients that have logged in at the proxy.

    source: the clients' address; with first_port their ports are those from there on, for where
    the kernel has none to give.
    """

    def __init__(self, site, source="127.0.0.1", first_port=0):
        self.site, self.source, self.connections = site, source, []
        self._ports = itertools.count(first_port) if first_port else itertools.repeat(0)

    def attempt(self, user, service="imap", count=1, at_once=1, seconds=60):
        """Tries so many logins, at_once at a time; the last line of each that failed, in bytes."""
        failed, left = [], count
        end = time.monotonic() + seconds
        with selectors.EpollSelector() as selector:
            while left or selector.get_map():
                while left and len(selector.get_map()) < at_once:
                    left -= 1
                    connection = socket.socket()
                    self.connections.append(connection)
                    connection.bind((self.source, next(self._ports)))
                    connection.connect(self.site.proxy.address(service))
                    connection.setblocking(False)
                    new = _Attempt(connection, service, user)
                    connection.sendall(new.commands)
                    selector.register(connection, selectors.EVENT_READ, new)
                assert time.monotonic() < end, f"{left + len(selector.get_map())} of {count} logins are not answered"
                for key, _ in selector.select(1):
                    try:
                        data = key.fileobj.recv(4096)
                    except ConnectionError:
                        data = b""
                    key.data.text += data
                    result = key.data.ended() if data else b"the connection ended: " + key.data.text
                    if result is None:
                        continue
                    selector.unregister(key.fileobj)
                    if not result.startswith((b"a OK", b"+OK")):
                        failed.append(result)
        return failed

    def login(self, user, service="imap", count=1, at_once=1, seconds=60):
        """The same, and none may fail."""
        assert self.attempt(user, service, count, at_once, seconds) == []

    def close(self):
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
