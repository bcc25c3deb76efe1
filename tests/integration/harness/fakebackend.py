"""A backend of a few lines that keeps every byte it is sent, for what no real server does.

It speaks just enough of IMAP to log somebody in; of the other protocols it has the greeting, and
says no to everything. Without TLS it offers no STARTTLS.

    with FakeBackend("127.0.0.60", tls=certificate, at_once=True) as backend: ...
    backend.seen       all bytes that came, on all connections; those within TLS too
    backend.connections
    backend.sources    the address that each of them came from
    backend.resumed    for each TLS handshake that ended well whether it was resumed
"""

import socketserver
import ssl
import threading

GREETINGS = {
    "imap": b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE AUTH=PLAIN%s] ready\r\n",
    "pop3": b"+OK ready\r\n",
    "submission": b"220 fake ESMTP\r\n",
    "lmtp": b"220 fake LMTP\r\n",
    "sieve": b'"IMPLEMENTATION" "fake"\r\n"SIEVE" "fileinto"\r\n"SASL" "PLAIN"\r\nOK "ready"\r\n',
}


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        backend = self.server.backend
        with backend.lock:
            backend.connections += 1
            backend.sources.append(self.client_address[0])
        try:
            self.talk(backend)
        except (OSError, ValueError):
            pass

    def talk(self, backend):
        if backend.at_once:
            self.start_tls(backend)
        starttls = b" STARTTLS" if backend.context and not backend.at_once else b""
        greeting = GREETINGS[backend.service]
        self.request.sendall(greeting % starttls if b"%s" in greeting else greeting)
        while line := self.read_line(backend):
            answer = getattr(self, backend.service)(backend, line)
            if answer:
                self.request.sendall(answer)

    def read_line(self, backend):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.request.recv(1)
            if not byte:
                return b""
            line += byte
            with backend.lock:
                backend.seen += byte
        return line

    def start_tls(self, backend):
        self.request = backend.context.wrap_socket(self.request, server_side=True)
        with backend.lock:
            backend.resumed.append(self.request.session_reused)

    def imap(self, backend, line):
        tag, _, command = line.strip().partition(b" ")
        word = command.split(b" ")[0].upper()
        if word == b"STARTTLS":
            if not backend.context or backend.refuses_starttls:
                return tag + b" NO not here\r\n"
            self.request.sendall(tag + b" OK begin\r\n")
            self.start_tls(backend)
            return b""
        if word == b"LIST":
            return tag + b" OK listed\r\n"
        return tag + b" OK done\r\n"

    def pop3(self, backend, line):
        return b"-ERR not here\r\n"

    def submission(self, backend, line):
        if line[:4].upper() == b"EHLO":
            return b"250-fake\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n"
        return b"502 5.5.1 not here\r\n"

    def sieve(self, backend, line):
        return b'NO "not here"\r\n'


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class FakeBackend:
    """tls: a Certificate; at_once: no STARTTLS before it; newest: ssl.TLSVersion; demands: a
    CA that must have signed the client's certificate; session: a Session that behaves otherwise."""

    def __init__(self, host, service="imap", tls=None, at_once=False, newest=None, refuses_starttls=False,
                 demands="", session=Session):
        self.service, self.at_once, self.refuses_starttls = service, at_once, refuses_starttls
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(tls.certificate, tls.key)
            if demands:
                self.context.load_verify_locations(demands)
                self.context.verify_mode = ssl.CERT_REQUIRED
            if newest:
                self.context.maximum_version = newest
        self.lock = threading.Lock()
        self.seen, self.connections, self.sources, self.resumed = b"", 0, [], []
        self.server = _Server((host, 0), session)
        self.server.backend = self
        self.host, self.port = self.server.server_address
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
