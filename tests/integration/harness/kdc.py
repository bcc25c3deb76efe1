"""A Kerberos realm of its own on a loopback port: MIT's KDC as Debian has it, a keytab for Dovecot, tickets for people.

Database, keytab, tickets and krb5.conf lie in its folder; nothing of the machine's own Kerberos is read.
"""

import os
import shutil
import subprocess

import gssapi

from . import ports
from .process import Process, Server

REALM = "PROXY.TEST"
HOST = "proxy.test"
_AUTH_ONLY = bytes([1, 0, 0, 0])  # RFC 4752, 3.1: no security layer, no buffer


class Kdc(Server):
    """people: names of principals. Started by start(); use as a context manager or call stop()."""

    def __init__(self, folder, people):
        self.folder, self.people = folder, people
        self.port = ports.free_port()
        self.conf = os.path.join(folder, "krb5.conf")
        self.keytab = os.path.join(folder, "keytab")
        self.environment = {**os.environ, "KRB5_CONFIG": self.conf, "KRB5_KDC_PROFILE": os.path.join(folder, "kdc.conf")}

    def _write_conf(self):
        with open(self.conf, "w", encoding="ascii") as out:
            out.write(f"""\
[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  default_rcache_name = none:
[realms]
  {REALM} = {{
    kdc = 127.0.0.1:{self.port}
  }}
[domain_realm]
  {HOST} = {REALM}
""")
        with open(self.environment["KRB5_KDC_PROFILE"], "w", encoding="ascii") as out:
            out.write(f"""\
[kdcdefaults]
  kdc_listen = 127.0.0.1:{self.port}
  kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
  {REALM} = {{
    database_name = {self.folder}/principal
    key_stash_file = {self.folder}/stash
    acl_file = {self.folder}/acl
  }}
[logging]
  kdc = FILE:{self.folder}/log
""")

    def _run(self, *command, text=""):
        subprocess.run(command, input=text, text=True, check=True, capture_output=True, env=self.environment)

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        self._write_conf()
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "of-the-database")
        commands = [f"add_principal -pw pw-{name} {name}" for name in self.people]
        commands += [f"add_principal -randkey imap/{HOST}", f"ktadd -k {self.keytab} imap/{HOST}"]
        self._run("kadmin.local", "-r", REALM, text="".join(command + "\n" for command in commands))
        shutil.chown(self.keytab, "dovecot")
        self.process = Process(["krb5kdc", "-n", "-r", REALM, "-P", os.path.join(self.folder, "pid")],
                               os.path.join(self.folder, "out"), self.environment)
        self.process.wait_accepting([("127.0.0.1", self.port)])
        return self

    def ticket(self, name):
        """The name of the file with that principal's ticket, for initiator()."""
        path = os.path.join(self.folder, f"ticket-{name}")
        self._run("kinit", "-c", path, name, text=f"pw-{name}\n")
        return path

    def settings(self):
        """Lines of dovecot.conf."""
        return (f"auth_krb5_keytab = {self.keytab}\nauth_gssapi_hostname = {HOST}\n"
                f"import_environment = $import_environment KRB5_CONFIG={self.conf}\n")


def initiator(ticket, authzid=""):
    """The client's part of RFC 4752, as imaplib wants it: a function from challenges to responses.

    authzid: as whom to log in; empty: as the ticket's user. KRB5_CONFIG must be in the environment.
    """
    context = gssapi.SecurityContext(
        name=gssapi.Name(f"imap@{HOST}", gssapi.NameType.hostbased_service),
        creds=gssapi.Credentials(usage="initiate", store={"ccache": f"FILE:{ticket}"}), usage="initiate")

    def answer(challenge):
        if not context.complete:
            return context.step(challenge or None) or b""
        if not challenge:
            return b""
        context.unwrap(challenge)
        return context.wrap(_AUTH_ONLY + authzid.encode(), False).message
    return answer
