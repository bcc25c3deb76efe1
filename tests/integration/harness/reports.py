"""What a proxy's auth process says of itself in a mirror, written by a test in its place."""

import socket
import threading
import time


def position(mirror, namespace="pm"):
    """The one of the mirror's marker: (table, epoch, sequence)."""
    marker = mirror.get(f"{namespace}:marker").decode()
    table, epoch, sequence = marker.split(" ")[1].removeprefix("pos=").split(".")
    return table, int(epoch), int(sequence)


def report(mirror, name, where, host=socket.gethostname(), pid=1, at=None, namespace="pm"):
    """where: as position() gives it."""
    at = int(time.time()) if at is None else at
    mirror.set(f"{namespace}:proxy:{name}", "v1 host=%s pid=%d pos=%s.%d.%d at=%d" % (host, pid, *where, at))


def forget(mirror, name, namespace="pm"):
    mirror.delete(f"{namespace}:proxy:{name}")


class Reporter:
    """Reports for proxies whose auth processes do not: the marker's position, once it is so old that none of their
    caches (cache_ttl = 1s) holds anything from before it. `frozen`: names that report no newer one."""

    def __init__(self, mirror, names, seconds=1.5):
        self.mirror, self.names, self.seconds, self.frozen = mirror, list(names), seconds, set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        for name in self.names:
            report(self.mirror, name, position(self.mirror))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        seen, since = None, 0
        while not self._stop.wait(0.1):
            now = position(self.mirror)
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since >= self.seconds:
                for name in self.names:
                    if name not in self.frozen:
                        report(self.mirror, name, seen)
