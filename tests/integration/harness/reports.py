"""What a proxy's auth process says of itself in a mirror, written by a test in its place."""

import time


def position(mirror, namespace="pm"):
    """The one of the mirror's marker: (table, epoch, sequence)."""
    marker = mirror.get(f"{namespace}:marker").decode()
    table, epoch, sequence = marker.split(" ")[1].removeprefix("pos=").split(".")
    return table, int(epoch), int(sequence)


def report(mirror, name, where, host="test", pid=1, at=None, namespace="pm"):
    """where: as position() gives it."""
    at = int(time.time()) if at is None else at
    mirror.set(f"{namespace}:proxy:{name}", "v1 host=%s pid=%d pos=%s.%d.%d at=%d" % (host, pid, *where, at))


def forget(mirror, name, namespace="pm"):
    mirror.delete(f"{namespace}:proxy:{name}")
