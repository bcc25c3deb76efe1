"""Speaks to Dovecot's auth process directly, as login processes and LMTP do.

AuthClient: the client protocol (a SASL login). AuthMaster: PASS, the lookup without a password that
LMTP and doveadm make. Both show the raw reply, so that a test sees every field.
Protocol: Dovecot's documentation, "Authentication Protocol" (v1.2, tab-separated lines).
"""

import base64
import dataclasses
import os
import socket

_ESCAPES = {0: "0", 1: "1", 9: "t", 10: "n", 13: "r"}


def escape(data):
    """Dovecot's str_tabescape, bytes in and out."""
    out = bytearray()
    for byte in data:
        if byte in _ESCAPES:
            out += b"\1" + _ESCAPES[byte].encode()
        else:
            out.append(byte)
    return bytes(out)


def unescape(data):
    back = {ord(sign): byte for byte, sign in _ESCAPES.items()}
    out, at = bytearray(), 0
    while at < len(data):
        if data[at] == 1 and at + 1 < len(data):
            out.append(back.get(data[at + 1], data[at + 1]))
            at += 1
        else:
            out.append(data[at])
        at += 1
    return bytes(out)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What auth said. status: OK FAIL CONT (client), PASS NOTFOUND FAIL (master), GONE (connection lost)."""
    status: str
    fields: dict
    raw: str = ""

    @property
    def ok(self):
        return self.status in ("OK", "PASS")

    @property
    def temporary(self):
        return self.status == "FAIL" and ("temp" in self.fields or self.fields.get("code") == "temp_fail")

    @property
    def proxied(self):
        """Somebody is let in, and only to be proxied to a host."""
        return self.ok and ("proxy" in self.fields or "proxy_maybe" in self.fields) and "host" in self.fields


GONE = Reply("GONE", {})


def _fields(words):
    pairs = (unescape(word).decode("utf-8", "replace").partition("=") for word in words)
    return {name: value for name, _, value in pairs}


class _Connection:
    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, *words):
        line = b"\t".join(word if isinstance(word, bytes) else str(word).encode() for word in words)
        self.socket.sendall(line + b"\n")

    def line(self):
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError("auth closed the connection")
        return line[:-1].split(b"\t")


class AuthClient(_Connection):
    """AuthClient(dovecot.socket("auth-client")); many requests may be outstanding: start(), then wait()."""

    def __init__(self, path, timeout=30):
        super().__init__(path, timeout)
        self.replies = {}
        self.send("VERSION", 1, 2)
        self.send("CPID", os.getpid())
        while self.line()[0] != b"DONE":
            pass

    def start(self, user, password, service="imap", mechanism="PLAIN", authzid="", secured=True,
              response=None, **fields):
        """Sends a login, returns its id. user and password: str or bytes. fields: lip=, rip=, lport= ..."""
        to_bytes = lambda text: text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        if response is None:
            if mechanism == "PLAIN":
                response = to_bytes(authzid) + b"\0" + to_bytes(user) + b"\0" + to_bytes(password)
            elif mechanism == "XOAUTH2":
                response = b"user=" + to_bytes(user) + b"\1auth=Bearer " + to_bytes(password) + b"\1\1"
        self.last_id += 1
        fields = {"lip": "127.0.0.1", "rip": "127.0.0.9", **fields}
        words = [escape(f"service={service}".encode())] + (["secured"] if secured else [])
        words += [escape(f"{name}={value}".encode()) for name, value in fields.items()]
        if response is not None:
            words.append(b"resp=" + base64.b64encode(response))
        self.send("AUTH", self.last_id, mechanism, *words)
        return self.last_id

    def proceed(self, request, response):
        """Answers a CONT."""
        self.send("CONT", request, base64.b64encode(response))

    def wait(self, request):
        while request not in self.replies:
            words = self.line()
            status = words[0].decode()
            if status in ("OK", "FAIL", "CONT"):
                raw = b"\t".join(words).decode("utf-8", "replace")
                self.replies[int(words[1])] = Reply(status, _fields(words[2:]), raw)
        return self.replies.pop(request)

    def login(self, user, password, **how):
        """One login; GONE when auth drops the connection."""
        try:
            return self.wait(self.start(user, password, **how))
        except (EOFError, ConnectionError):
            return GONE


class AuthMaster(_Connection):
    """AuthMaster(dovecot.socket("auth-master"))"""

    def __init__(self, path, timeout=30):
        super().__init__(path, timeout)
        self.send("VERSION", 1, 0)

    def lookup(self, user, service="lmtp", **fields):
        """PASS: which fields somebody has, without a password."""
        user = user if isinstance(user, bytes) else user.encode("utf-8", "surrogateescape")
        self.last_id += 1
        fields = {"lip": "127.0.0.1", "rip": "127.0.0.9", **fields}
        words = [f"{name}={value}" for name, value in fields.items()]
        try:
            self.send("PASS", self.last_id, escape(user), f"service={service}", *words)
            while True:
                words = self.line()
                if words[0] in (b"PASS", b"NOTFOUND", b"FAIL") and words[1] == str(self.last_id).encode():
                    raw = b"\t".join(words).decode("utf-8", "replace")
                    return Reply(words[0].decode(), _fields(words[2:]), raw)
        except (EOFError, ConnectionError):
            return GONE
