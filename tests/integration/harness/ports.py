"""Hands out TCP ports that nobody listens on.

Below 32768, where Linux' ephemeral ports begin, so that no outgoing connection takes one between
the choice and the server's bind. The same port is never handed out twice in a run.
"""

import random
import socket

_used = set()


def free_port(host="127.0.0.1"):
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        if port in _used:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
        _used.add(port)
        return port
    raise AssertionError(f"no free port on {host}")
