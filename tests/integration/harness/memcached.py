"""A real memcached, over TCP or a unix socket, that a test can stop, continue, kill and restart."""

import os
import signal
import socket

from . import ports
from .process import Process, Server, wait_until


class Memcached(Server):
    """evict=False is `-M`, which the plugin needs to believe a miss; keep: content survives restart(keep)."""

    def __init__(self, folder, name="memcached", unix=False, evict=False, megabytes=64, keep=False, extra=()):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.name, self.extra = folder, name, list(extra)
        self.evict, self.megabytes = evict, megabytes
        self.address = os.path.join(folder, name + ".sock") if unix else ("127.0.0.1", ports.free_port())
        self.keep_file = os.path.join(folder, name + ".keep") if keep else None

    @property
    def setting(self):
        """As the setting `stores` names it."""
        where = self.address if isinstance(self.address, str) else "%s:%d" % self.address
        return f"memcached:{where}"

    def start(self):
        argv = ["memcached", "-u", "root", "-m", str(self.megabytes), "-t", "2", *self.extra]
        if isinstance(self.address, str):
            argv += ["-s", self.address, "-a", "0666"]
        else:
            argv += ["-l", self.address[0], "-p", str(self.address[1]), "-U", "0"]
        # Evicting, it has one plain LRU: with the segmented one a record that was read twice goes to a segment
        # of its own, and however much is written elsewhere, it is never evicted.
        argv += ["-o", "no_lru_maintainer"] if self.evict else ["-M"]
        if self.keep_file:
            argv += ["-e", self.keep_file]
        self.process = Process(argv, os.path.join(self.folder, self.name + ".out"))
        self.process.wait_accepting([self.address])
        return self

    # ---- faults

    def freeze(self):
        """SIGSTOP: connections stay, nothing is answered. Returns when it really stands still."""
        self.process.send(signal.SIGSTOP)
        wait_until(lambda: self.process.state() == "T", f"{self.name} is stopped")

    def thaw(self):
        self.process.send(signal.SIGCONT)

    def kill(self):
        """As in a crash; the content is lost."""
        self.process.kill()

    def stop(self):
        """Regular end; with keep the content is written down (SIGUSR1)."""
        if self.process is not None:
            self.process.stop(signal.SIGUSR1 if self.keep_file else signal.SIGTERM)
            self.process = None

    def restart(self):
        """On the same address: empty, or with keep with its old content."""
        self.stop()
        return self.start()

    # ---- content

    def empty(self):
        """flush_all, until nothing is left: it passes over what another client reads in that moment and was just written."""
        def is_empty():
            self.command("flush_all")
            return self.command("lru_crawler metadump all") == [b"END"]
        wait_until(is_empty, f"{self.name} is empty")

    def command(self, text, data=None):
        """One command of the text protocol; the reply's lines up to the one that ends it."""
        family = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        with socket.socket(family) as connection:
            connection.settimeout(10)
            connection.connect(self.address)
            connection.sendall(text.encode() + b"\r\n" + (data + b"\r\n" if data is not None else b""))
            with connection.makefile("rb") as stream:
                lines = []
                while line := stream.readline():
                    line = line.rstrip(b"\r\n")
                    lines.append(line)
                    if line.startswith(b"VALUE "):
                        lines.append(stream.read(int(line.split(b" ")[3])))
                        stream.read(2)
                    elif not line.startswith(b"STAT "):
                        break
                return lines

    def get(self, key):
        """The value (bytes), None when absent."""
        lines = self.command(f"get {key}")
        return lines[1] if lines[0].startswith(b"VALUE ") else None

    def cas(self, key):
        """A number that every write of that key changes; None when absent."""
        words = self.command(f"gets {key}")[0].split()
        return int(words[4]) if words[0] == b"VALUE" else None

    def has(self, key):
        """Whether it is there; unlike get() no use of it, which would delay its eviction."""
        return self.command(f"me {key}")[0].startswith(b"ME ")

    def set(self, key, value):
        value = value if isinstance(value, bytes) else value.encode()
        assert self.command(f"set {key} 0 0 {len(value)}", value) == [b"STORED"]

    def delete(self, key):
        return self.command(f"delete {key}")[0] == b"DELETED"

    def stats(self, what=""):
        lines = self.command(f"stats {what}".strip())
        return dict(line.decode().split(" ", 2)[1:3] for line in lines if line.startswith(b"STAT "))
