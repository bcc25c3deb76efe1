"""A real Dovecot with folder, ports and log of its own.

Logins are read from its log: logins() says who came in, over what, and from where.
"""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess

from . import branch, ports, sanitizer
from .process import Process, Server, wait_until

_LOGIN = re.compile(
    r" (?P<service>imap|pop3|submission|managesieve)-login: Info: (?:Login|Logged in): user=<(?P<user>[^>]*)>"
    r".*?, rip=(?P<rip>[^,]*)(?:, real_rip=(?P<real_rip>[^,]*))?,(?P<rest>.*)")
_DELIVERY = re.compile(
    r" lmtp\((?P<user>[^)]*)\)<\d+><(?P<session>[^>]*)>rip=(?P<rip>\S*): Info: .*saved mail to ")

# A process that starts while Dovecot, or an old configuration of it, ends finds nobody to read its settings from.
# So with stock Dovecot; nobody has crashed.
STARTED_TOO_LATE = re.compile(
    r"Fatal: (?:(?:Error reading|Failed to read) configuration: |.*configuration.*Connection reset by peer)")


@dataclasses.dataclass(frozen=True)
class Login:
    """Somebody came in here (LMTP: a mail was stored here)."""
    service: str   # imap pop3 lmtp submission sieve
    user: str
    rip: str       # the client, as this server believes it
    real_rip: str  # who really connected: a proxy's address; "" for LMTP
    tls: bool
    session: str


class Dovecot(Server):
    """Started by start(); use as a context manager or call stop()."""

    def __init__(self, spec, services=branch.SERVICES):
        self.spec = spec
        self.name = spec.name
        self.folder = spec.folder
        for service in services:
            spec.ports.setdefault(service, ports.free_port(spec.address))
        self.conf = os.path.join(self.folder, "dovecot.conf")
        self.log_path = os.path.join(self.folder, "log")
        self.ended = None  # the last process
        self.may_crash = False  # set by a test that makes a service die on purpose

    # ---- life

    def write_conf(self):
        os.makedirs(self.folder, exist_ok=True)
        mail = os.path.join(self.folder, "mail")
        os.makedirs(mail, exist_ok=True)
        shutil.chown(mail, branch.MAIL_USER, branch.MAIL_GROUP)
        # At once, for a running Dovecot reads it whenever it likes.
        with open(self.conf + ".new", "w", encoding="utf-8") as out:
            out.write(branch.render(self.spec))
        os.rename(self.conf + ".new", self.conf)

    def start(self):
        self.write_conf()
        if self.ended is not None:
            self.ended.wait_for_children()
        # Of one that was killed; meanwhile somebody else may have its number.
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.folder, "run", "master.pid"))
        # It reads its settings by a module of ours on 2.4.
        environment = sanitizer.environment() if branch.installed() == "2.4" else None
        self.process = Process(["dovecot", "-F", "-c", self.conf], os.path.join(self.folder, "out"), environment)
        ready = [self.address(service) for service in self.spec.ports]
        self.process.wait_accepting(ready + [self.socket("auth-client")])
        return self

    def begin_stop(self):
        """SIGTERM without waiting: a Dovecot needs a second to end, several can do so together."""
        if self.process is not None and self.process.alive():
            self.process.send(signal.SIGTERM)

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.ended, self.process = self.process, None

    def crashes(self):
        """Lines of the log that no healthy server writes."""
        found = self.grep(r"Panic: |Fatal: |killed with signal|Raw backtrace|" + sanitizer.SAYS)
        return [line for line in found if self.process is not None or not STARTED_TOO_LATE.search(line)]

    def reload(self):
        """SIGHUP, as `doveadm reload` sends it."""
        self.write_conf()
        mark = self.mark()
        self.process.send(signal.SIGHUP)
        self.wait_for_log("SIGHUP received", mark)

    # ---- where

    def address(self, service):
        return (self.spec.address, self.spec.ports[service])

    def tls_address(self, service):
        """Where TLS starts at once."""
        return (self.spec.address, self.spec.tls_ports[service])

    def socket(self, name):
        """Path of a unix socket: auth-client, auth-master ..."""
        return os.path.join(self.folder, "run", name)

    def doveadm(self, *args, stdin=None, check=True, variables=None):
        """Runs doveadm on this configuration. Returns the CompletedProcess (text).

        variables: of its environment; it keeps none of its own accord but those that it is told to.
        """
        environment = sanitizer.environment()
        if variables:
            environment = {**(environment or os.environ), **variables, "DOVECOT_PRESERVE_ENVS": " ".join(variables)}
        done = subprocess.run(["doveadm", "-c", self.conf, *args], input=stdin, text=True,
                              capture_output=True, timeout=60, env=environment)
        assert not re.search(sanitizer.SAYS, done.stderr), done.stderr
        if check and done.returncode != 0:
            raise AssertionError(f"doveadm {' '.join(args)}: exit {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def child_pids(self, service):
        """Process ids of its processes of that service: auth, imap-login ..."""
        found = []
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:
            for pid in file.read().split():
                try:
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as command:
                        if command.read().split("\0")[0].split(" ")[0] == f"dovecot-{self.name}/{service}":
                            found.append(int(pid))
                except OSError:
                    pass
        return found

    def auth_pid(self):
        """Process id of the auth process, None while none runs."""
        return next(iter(self.child_pids("auth")), None)

    # ---- log

    def mark(self):
        """A place in the log; the calls below look only behind it."""
        try:
            return os.path.getsize(self.log_path)
        except OSError:
            return 0

    def log(self, mark=0):
        try:
            with open(self.log_path, "rb") as file:
                file.seek(mark)
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def grep(self, regex, mark=0):
        """Lines of the log in which the regex is found."""
        return [line for line in self.log(mark).splitlines() if re.search(regex, line)]

    def wait_for_log(self, regex, mark=0, seconds=30.0):
        """Waits for a line and returns it."""
        return wait_until(lambda: self.grep(regex, mark), f"{self.name} logs {regex!r}", seconds)[0]

    def logins(self, mark=0):
        found = []
        for line in self.log(mark).splitlines():
            if match := _LOGIN.search(line):
                service = match["service"].replace("managesieve", "sieve")
                session = re.search(r"session=<([^>]*)>", match["rest"])
                found.append(Login(service, match["user"], match["rip"], match["real_rip"] or "",
                                   match["rest"].startswith(" TLS"),
                                   session[1] if session else ""))
            elif match := _DELIVERY.search(line):
                found.append(Login("lmtp", match["user"], match["rip"], "", False,
                                   match["session"].partition(":")[0]))
        return found
