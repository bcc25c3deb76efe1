"""The servers of a benchmark: private Dovecots that run auth alone, and a private memcached.

All of them live in one temporary folder and on unix sockets; nothing of the machine's own Dovecot
is read or changed. Our modules are put beside the stock ones by a mount that only the private
Dovecot sees. Everything that is started here is stopped here, by its process id.
"""

import base64
import os
import shutil
import signal
import socket
import subprocess
import time

import branch

STOCK_MODULES = "/usr/lib/dovecot/modules"


class Problem(Exception):
    """A benchmark that cannot go on; one sentence."""


def wait_until(condition, what, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Problem(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.02)


def accepts(path):
    """Whether somebody listens there: the path exists a little earlier."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def cpu_ns(pids):
    """CPU time of all threads of these processes in ns: what the scheduler has counted."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total


def stop_process(process):
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Modules:
    """A folder with Dovecot's stock modules and ours, to be mounted over the stock folder."""

    def __init__(self, folder, ours):
        """ours: None for stock modules alone, of which there is a copy then as well."""
        self.overlay = os.path.join(folder, "modules")
        shutil.copytree(STOCK_MODULES, self.overlay, symlinks=True)
        if ours is not None:
            shutil.copytree(ours, self.overlay, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.la"))

    def command(self, *words):
        """A command line that runs `words` where our modules are seen; the pid stays the same."""
        mount = f"mount --bind '{self.overlay}' '{STOCK_MODULES}'"
        return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh", *words]


class Memcached:
    """A private memcached on a unix socket, evictions off."""

    def __init__(self, folder, megabytes=512, counts_keys=True):
        # It gives up root before it makes its socket, so the socket's folder must be its own.
        home = os.path.join(folder, "memcached")
        os.makedirs(home)
        os.chmod(folder, 0o755)
        shutil.chown(home, "nobody")
        self.path = os.path.join(home, "socket")
        # -D e: keys are counted by what stands before their first "e": "pm:us" are user records,
        # so the server itself says how many of those it was asked for.
        self.process = subprocess.Popen(
            ["memcached", "-u", "nobody", "-M", "-m", str(megabytes), "-s", self.path,
             "-a", "0666", "-D", "e", "-t", "2"],
            stdin=subprocess.DEVNULL)
        wait_until(lambda: accepts(self.path) or self.process.poll() is not None,
                   "the start of memcached")
        if self.process.poll() is not None:
            raise Problem("memcached did not start")
        if counts_keys:
            self.ask("stats detail on", "OK")

    def ask(self, command, end):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.path)
            connection.sendall(command.encode() + b"\r\n")
            reply = b""
            while not reply.endswith(end.encode() + b"\r\n"):
                part = connection.recv(65536)
                if not part:
                    raise Problem(f"memcached closed the connection after {command!r}")
                reply += part
        return reply.decode()

    def user_gets(self):
        """How many user records were asked for since the start."""
        for line in self.ask("stats detail dump", "END").splitlines():
            words = line.split()
            if words[:2] == ["PREFIX", "pm:us"]:
                return int(words[3])
        return 0

    def cpu_ns(self):
        return cpu_ns([self.process.pid])

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        stop_process(self.process)


CONFIG = """
base_dir = {base}
state_dir = {base}
log_path = {log}
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{base}/mail
# A cache and a map must fit; the same for every passdb.
default_vsz_limit = 4 G
# No process may end, and take its CPU time with it, while it is measured.
default_idle_kill = 1 hours
service auth {
  client_limit = 8192
  unix_listener auth-client {
    mode = 0600
  }
}
# The delay for addresses with many failures is not what is measured.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
{passdbs}
"""


class Dovecot:
    """A private Dovecot with this configuration, in the words of 2.3 and with {base} and {log} to be
    put in."""

    def __init__(self, folder, config, ready, command=lambda *words: words):
        """ready: whether it can be used. command: makes the command line out of Dovecot's."""
        os.makedirs(folder)
        self.log = os.path.join(folder, "log")
        self.config = os.path.join(folder, "dovecot.conf")
        self.base = os.path.join(folder, "base")
        os.makedirs(self.base)
        with open(self.config, "w", encoding="utf-8") as file:
            config = config.replace("{base}", self.base).replace("{log}", self.log)
            file.write(branch.dovecot_conf(config))
        self.process = subprocess.Popen(command("dovecot", "-F", "-c", self.config),
                                        stdin=subprocess.DEVNULL)
        wait_until(lambda: ready() or self.process.poll() is not None, "the start of Dovecot")
        if self.process.poll() is not None:
            raise Problem(f"Dovecot did not start: {self.last_log_lines()}")

    def last_log_lines(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-5:]).strip()
        except FileNotFoundError:
            return "no log"

    def _children(self):
        master = self.process.pid
        with open(f"/proc/{master}/task/{master}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def pids_of(self, name):
        """Its processes of that name: auth, imap-login ..."""
        pids = []
        for pid in self._children():
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                    if file.read().strip() == name:
                        pids.append(pid)
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended
        return pids

    def stop(self):
        """Ends the master, and sees to it that nothing it started stays behind."""
        if self.process.poll() is not None:
            return
        children = self._children()
        stop_process(self.process)
        ended = time.monotonic() + 5
        for pid in children:
            while os.path.exists(f"/proc/{pid}"):
                if time.monotonic() > ended:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.02)


class Auth(Dovecot):
    """A Dovecot with the given passdb blocks that runs auth alone, reached by its client socket."""

    def __init__(self, folder, modules, passdbs):
        self.socket = os.path.join(folder, "base", "auth-client")
        super().__init__(folder, CONFIG.replace("{passdbs}", passdbs),
                         lambda: accepts(self.socket), modules.command)

    def cpu_ns(self):
        """Of the auth process and all of its workers."""
        return cpu_ns(self.pids_of("auth"))

    def login(self, user, password="secret"):
        """One login; the fields of the reply as a dict, with its first word as "verdict"."""
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.socket)
            connection.sendall(f"VERSION\t1\t2\nCPID\t{os.getpid()}\n".encode())
            lines = connection.makefile("rw", encoding="utf-8", newline="\n")
            self._read_until(lines, "DONE")
            lines.write("AUTH\t1\tPLAIN\tservice=imap\tsecured\tlip=127.0.0.1\trip=127.0.0.1"
                        f"\tresp={response}\n")
            lines.flush()
            verdict, _, *words = self._read_until(lines, "OK\t1", "FAIL\t1").split("\t")
        fields = {name: value for name, _, value in (word.partition("=") for word in words)}
        return {"verdict": verdict, **fields}

    def _read_until(self, lines, *beginnings):
        for line in lines:
            if line.startswith(beginnings):
                return line.rstrip("\n")
        raise Problem(f"auth closed the connection: {self.last_log_lines()}")
