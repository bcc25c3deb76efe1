"""Proxies and backends for the login part: private Dovecots that proxy IMAP, and what is behind
them; certificates; and a network that nobody else is in.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

import branch
from servers import Dovecot, Problem, cpu_ns, stop_process, wait_until

ADDRESS = "127.0.0.1"
CERTIFIED = "imap.bench.test"         # the name in the backend's certificate


def own_network():
    """From now on this process and all that it starts have a network of their own."""
    new_network = 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(new_network) != 0:
        raise Problem(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    set_flags, up = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up))


class Certificates:
    """A CA, and a certificate of it for CERTIFIED. RSA, as mail servers mostly have: with an
    elliptic curve a full handshake costs the backend less, and resumption saves it less."""

    def __init__(self, folder, key=("rsa:2048",)):
        self.ca, self.certificate, self.key = (os.path.join(folder, name) for name in
                                               ("ca.pem", "backend.pem", "backend.key"))
        authority = os.path.join(folder, "ca.key")
        new = ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2"]
        for command in (
                [*new, "-keyout", authority, "-out", self.ca, "-subj", "/CN=bench CA"],
                [*new, "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=backend",
                 "-CA", self.ca, "-CAkey", authority, "-addext",
                 f"subjectAltName=DNS:{CERTIFIED}", "-addext", "basicConstraints=CA:FALSE"]):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)

    def settings(self):
        """TLS for clients."""
        return f"ssl = yes\nssl_cert = <{self.certificate}\nssl_key = <{self.key}\n"


ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def listens(port):
    def ready():
        with socket.socket() as connection:
            return connection.connect_ex((ADDRESS, port)) == 0
    return ready


class Backend:
    """imap-backend: costs little, knows who came, and with certificates speaks TLS."""

    marker = "Logged in to the backend"  # nobody else says this

    def __init__(self, tool, port, certificates=None):
        self.port = port
        # All addresses of the loopback network are its own.
        command = [tool, "--listen", f"0.0.0.0:{port}", "--marker", self.marker]
        if certificates is not None:
            command += ["--certificate", certificates.certificate, "--key", certificates.key]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        text=True)
        wait_until(lambda: listens(port)() or self.process.poll() is not None,
                   "the start of imap-backend")
        if self.process.poll() is not None:
            raise Problem("imap-backend did not start")

    def counts(self):
        """Since the start: {"logins":, "handshakes":, "resumed":, "sources": {address: logins}}"""
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(self.process.stdout.readline())

    def cpu_ns(self):
        return cpu_ns([self.process.pid])

    def stop(self):
        stop_process(self.process)


LOGIN_CONFIG = """
base_dir = {base}
state_dir = {base}
log_path = {log}
protocols = imap
listen = 127.0.0.1
disable_plaintext_auth = no
auth_mechanisms = plain
default_client_limit = 8192
default_vsz_limit = 1 G
# No process may end, and take its CPU time with it, while it is measured.
default_idle_kill = 1 hours
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""


def login_service(port, service_count, tls=False):
    """One process that stays, or one for each login."""
    processes = ("  process_min_avail = 1\n  process_limit = 1\n  client_limit = 8192\n"
                 if service_count == 0 else "  process_limit = 1000\n")
    listener = f"    port = {port}\n" + ("    ssl = yes\n" if tls else "")
    return (f"service imap-login {{\n  service_count = {service_count}\n{processes}"
            f"  inet_listener imap {{\n{listener}  }}\n"
            "  inet_listener imaps {\n    port = 0\n  }\n}\n")


class Proxy(Dovecot):
    """Proxies every login to where `route`, the fields of a static passdb, says."""

    def __init__(self, folder, modules, port, route, service_count=0, settings="", plugin=None):
        """settings: more of dovecot.conf. plugin: the settings file of the login plugin, if it is to
        be loaded."""
        self.port = port
        self.service_count = service_count
        text = (LOGIN_CONFIG + login_service(port, service_count) + settings
                + f"passdb {{\n  driver = static\n  args = nopassword=y proxy=y {route}\n}}\n")
        if plugin is not None:
            text += branch.login_plugin(plugin)
        super().__init__(folder, text, listens(port), modules.command)

    def login_pids(self):
        return self.pids_of("imap-login")

    def renew(self):
        """Another login process: where it lies in memory makes a difference that is not ours."""
        self.quiet()
        if self.service_count == 0:
            old = self.login_pids()
            for pid in old:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not set(old) & set(self.login_pids()), "the end of imap-login")

    def quiet(self):
        """Until each process that serves one login has ended, and so has been counted."""
        if self.service_count != 0:
            wait_until(lambda: not self.login_pids(), "the end of all imap-login processes")

    def cpu_ns(self):
        """Of all its login processes, those that have ended too, and of the master that starts
        them. What has ended is counted in ticks, of 10 ms."""
        self.quiet()
        # Now and then Dovecot starts one more, which finds nothing to do and ends.
        staying = self.login_pids() if self.service_count == 0 else []
        return cpu_ns([self.process.pid, *staying]) + ended_ns(self.process.pid)


def ended_ns(pid):
    """CPU time of all children that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class Dovecot_backend(Dovecot):
    """A real one, with TLS from the start. One login process, for each has ticket keys of its own."""

    marker = "Logged in"  # a proxy could say so too: counts() is the witness

    def __init__(self, folder, port, certificates):
        self.port = port
        home = folder + "-mail"
        os.makedirs(home)
        shutil.chown(home, "nobody", "nogroup")
        super().__init__(folder, LOGIN_CONFIG + login_service(port, 0, tls=True)
                         + certificates.settings()
                         + f"login_greeting = ready\nmail_location = maildir:{home}/%n\n"
                         "mail_max_userip_connections = 0\nfirst_valid_uid = 1\n"
                         "first_valid_gid = 1\nservice imap {\n  service_count = 100000\n}\n"
                         "passdb {\n  driver = static\n  args = nopassword=y\n}\n"
                         f"userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup "
                         f"home={home}\n}}\n", listens(port))

    def counts(self):
        """The same as Backend's, as far as it can be known: from the log."""
        time.sleep(0.1)  # the log process writes a little later
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return {"logins": sum(any(words in line for words in branch.LOGGED_IN)
                                  for line in file)}

    def login_cpu_ns(self):
        return cpu_ns(self.pids_of("imap-login"))

    def cpu_ns(self):
        """All of it."""
        return (cpu_ns([self.process.pid, *self._children()]) + ended_ns(self.process.pid))
