"""Hands out TCP ports that nobody listens on.

Below 32768, where Linux' ephemeral ports begin, so that no outgoing connection takes one between
the choice and the server's bind. A port belongs to the process that it was handed to for as long as
that lives, whether or not a server listens there now: no other one gets it, in this run or another.
"""

import fcntl
import os
import random
import socket
import tempfile

_used = set()
_locks = None  # a byte for each port; its locks end with the process


def _is_ours(port):
    global _locks
    if _locks is None:
        _locks = os.open(os.path.join(tempfile.gettempdir(), "proxymap-ports"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def free_port(host="127.0.0.1"):
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        if port in _used or not _is_ours(port):
            continue
        _used.add(port)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no free port on {host}")
