"""Network namespaces: one for all that a run's process starts, and others with few ephemeral ports or many.

    with namespace.network((40000, 40019)): ...

Within the block this thread, its sockets, and the processes and threads that it starts are in the
namespace, where there is nothing but a loopback interface; a socket stays where it was made.
"""

import contextlib
import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"


def _check(result):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _enter_new(libc):
    _check(libc.unshare(CLONE_NEWNET))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def enter_own():
    """For good, and before anything is started: ports and addresses are then in use by nobody else."""
    _enter_new(ctypes.CDLL(None, use_errno=True))


@contextlib.contextmanager
def network(ports):
    """ports: first and last that the kernel chooses for connections."""
    assert threading.current_thread() is threading.main_thread()  # /proc/sys shows that one's namespace
    libc = ctypes.CDLL(None, use_errno=True)
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        try:
            _enter_new(libc)
            with open(PORT_RANGE, "w", encoding="ascii") as file:
                file.write("%d %d" % ports)
            yield
        finally:
            _check(libc.setns(outside, CLONE_NEWNET))
    finally:
        os.close(outside)
