"""Backends that know at every moment who is on which of them, to the instant."""

import base64
import contextlib
import re
import threading

from .fakebackend import FakeBackend, Session
from .process import wait_until


class Residents:
    """Of several backends together. `both`: users who were on two of them at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.on, self.both = {}, []  # user → names of backends, once a session
        self.entered = []            # (user, backend)

    def enter(self, user, backend):
        with self.lock:
            self.entered.append((user, backend))
            here = self.on.setdefault(user, [])
            here.append(backend)
            if len(set(here)) > 1:
                self.both.append((user, list(here)))

    def leave(self, user, backend):
        with self.lock:
            self.on[user].remove(backend)

    def visits(self, user):
        """All backends that it has been on so far, in their order."""
        with self.lock:
            return [backend for one, backend in self.entered if one == user]

    def of(self, user):
        """The backends that it has sessions on, sorted."""
        with self.lock:
            return sorted(self.on.get(user, []))


class _Resident(Session):
    def talk(self, backend):
        self.user = None
        try:
            super().talk(backend)
        finally:
            if self.user is not None:
                backend.residents.leave(self.user, backend.name)

    def imap(self, backend, line):
        word, _, rest = line.strip().partition(b" ")[2].partition(b" ")
        if word.upper() == b"AUTHENTICATE":
            user = base64.b64decode(rest.split(b" ")[1]).split(b"\0")[1].decode()
        elif word.upper() == b"LOGIN":
            user = re.match(rb'"?([^" ]+)', rest)[1].decode()
        else:
            return super().imap(backend, line)
        with backend.lock:
            backend.knocked.append(user)
        backend.gate.wait()
        self.user = user
        backend.residents.enter(user, backend.name)
        return super().imap(backend, line)


class ResidentBackend(FakeBackend):
    """knocked: users whose login has come; it is answered as soon as the gate is open, which it is at first."""

    def __init__(self, name, host, residents):
        self.name, self.residents, self.knocked, self.gate = name, residents, [], threading.Event()
        self.gate.set()
        super().__init__(host, session=_Resident)

    def record(self):
        return f"backend {self.name} host={self.host} port={self.port}\n"

    def wait_for_knock(self, user, times=1):
        wait_until(lambda: self.knocked.count(user) >= times, f"{user} knocks at {self.name}")

    @contextlib.contextmanager
    def shut(self):
        self.gate.clear()
        try:
            yield
        finally:
            self.gate.set()
