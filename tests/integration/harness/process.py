"""Starts a server in the foreground, waits until it is ready, stops it by its process id.

Never sleeps and hopes: every wait is a poll for a condition with a limit. A server dies with the
test run (PR_SET_PDEATHSIG), so an interrupted run leaves nothing behind.
"""

import os
import signal
import socket
import subprocess
import time


class TimedOut(AssertionError):
    """What was waited for did not come."""


def wait_until(condition, what, seconds=30.0, pause=0.01):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimedOut(f"not within {seconds} s: {what}")
        time.sleep(pause)


def state_of(pid):
    """R running, S sleeping, T stopped ... (proc(5)); "" when gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(") ")[2][0]
    except OSError:
        return ""


def accepts(address):
    """Whether something accepts connections there; address: (host, port) or a socket's path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True


class Process:
    """One server process (and the children it stops itself)."""

    def __init__(self, argv, output, env=None):
        self.argv = argv
        self.output = output
        with open(output, "ab") as out:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def wait_accepting(self, addresses):
        """Until each address accepts; fails at once, with the output, when the process is gone."""
        for address in addresses:
            def ready(address=address):
                if not self.alive():
                    with open(self.output, errors="replace") as out:
                        raise AssertionError(f"{self.argv[0]} exited: {out.read()[-2000:]}")
                return accepts(address)
            wait_until(ready, f"{self.argv[0]} accepts on {address}")

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM):
        """Ends the process and waits for it; 10 s later by SIGKILL. A stopped one is continued first."""
        if not self.alive():
            return
        self.send(number)
        if self.state() == "T":
            self.send(signal.SIGCONT)
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def wait_for_children(self):
        """Of a server that has ended, as systemd does before it starts one anew: they may hold its sockets. 10 s later by SIGKILL."""
        def gone(number=0):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return True
            return False
        try:
            wait_until(gone, f"{self.argv[0]}'s children end", 10)
        except TimedOut:
            gone(signal.SIGKILL)

    def state(self):
        return state_of(self.pid)

    def kill(self):
        """SIGKILL: as in a crash. Its children too: they are in its process group."""
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()


class Server:
    """What is started by start(); use it as a context manager or call stop(). process: while it runs."""
    process = None

    def start(self):
        raise NotImplementedError

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()
