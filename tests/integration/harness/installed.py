"""A Dovecot as a package installs it, with ours set up beside it by the steps of README.md.

A copy of the stock /etc/dovecot lies over the real one, in this process's own mount namespace (see
modules.py). What is ours comes from `make install`. Ports and folders are those of the tests.
"""

import contextlib
import glob
import os
import re
import shutil
import subprocess

from . import branch, documents, ports, sanitizer
from .dovecot import Dovecot

ETC = "/etc/dovecot"
STOCK = "/usr/share/dovecot"  # where Debian's packages keep what they install into /etc/dovecot


class Settings:
    """Stands for branch.Spec: the configuration is not written by us."""

    def __init__(self, folder):
        self.name, self.folder, self.address = "installed", folder, "127.0.0.1"
        self.ports = {"imap": ports.free_port()}


class Installed(Dovecot):
    """destdir: where `make install` put everything. cwd: an admin's folder, with routes.txt."""

    def __init__(self, folder, destdir, certificate):
        super().__init__(Settings(folder), ("imap",))
        self.etc, self.cwd, self.destdir = os.path.join(folder, "etc"), os.path.join(folder, "admin"), destdir
        self.table = os.path.join(folder, "table")
        self.conf = os.path.join(ETC, "dovecot.conf")
        shutil.copytree(STOCK, self.etc, ignore=lambda _, names: [n for n in names if not re.search(r"conf", n)])
        if os.path.exists(local := os.path.join(self.etc, "local.conf")):
            os.remove(local)  # Debian 13 has one, without settings
        os.makedirs(self.cwd)
        os.makedirs(os.path.join(self.etc, "private"))  # where the stock settings have them
        shutil.copy(certificate.certificate, os.path.join(self.etc, "private", "dovecot.pem"))
        shutil.copy(certificate.key, os.path.join(self.etc, "private", "dovecot.key"))
        subprocess.run(["mount", "--bind", self.etc, ETC], check=True)

    def write_conf(self):
        """The site's own part, which the stock dovecot.conf includes last, if it is not there yet."""
        if os.path.exists(os.path.join(self.etc, "local.conf")):
            return
        with open(os.path.join(self.etc, "local.conf"), "w", encoding="ascii") as out:
            out.write(f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
instance_name = {self.name}
log_path = {self.log_path}
protocols = imap
listen = 127.0.0.1
service imap-login {{
  inet_listener imap {{
    port = {self.spec.ports["imap"]}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
""" + (sanitizer.settings_2_3() if branch.installed() == "2.3" else sanitizer.settings_2_4()))

    def set_up(self, *settings):
        """The steps of README.md for this branch. Settings are lines for proxymap.conf.ext, or what 2.4 has for them.

        On 2.4 the file of 2.3 is there too, as after an upgrade: only who is told by --config reads it.
        """
        self.write_conf()
        examples, = glob.glob(f"{self.destdir}/**/example-config/conf.d", recursive=True)
        shutil.copy(os.path.join(documents.ROOT, "conf.d", "proxymap.conf.ext"), ETC)
        self._append(self._settings_file, f"table = {self.table}", *settings)
        if branch.installed() != "2.3":
            self._append("local.conf", *self._native(f"table = {self.table}", *settings))
        shutil.copy(os.path.join(examples, "90-proxymap.conf"), os.path.join(ETC, "conf.d"))
        # What 90-proxymap.conf asks for in its first lines.
        self.edit("10-auth.conf", r"(?m)^!include auth-.*", r"#\g<0>")

    _settings_file = "proxymap.conf.ext"

    @staticmethod
    def _native(*settings):
        return [f"proxymap_{setting}" for setting in settings]

    def _append(self, name, *lines):
        with open(os.path.join(self.etc, name), "a", encoding="ascii") as out:
            out.write("\n".join(["", *lines, ""]))

    @contextlib.contextmanager
    def with_settings(self, *settings):
        """More of them, for a while; lines as for set_up()."""
        here, lines = (self._settings_file, settings) if branch.installed() == "2.3" else ("local.conf", self._native(*settings))
        path = os.path.join(self.etc, here)
        with open(path, encoding="utf-8") as file:
            before = file.read()
        self._append(here, *lines)
        try:
            yield
        finally:
            with open(path, "w", encoding="utf-8") as out:
                out.write(before)

    def edit(self, name, regex, by):
        path = os.path.join(ETC, "conf.d", name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as out:
            out.write(re.sub(regex, by, text))

    def sh(self, command, check=True, cwd=None):
        """As an admin types it."""
        done = subprocess.run(["bash", "-c", command], cwd=cwd or self.cwd, capture_output=True, text=True,
                              timeout=300, env=sanitizer.environment(), check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def write(self, name, text):
        with open(os.path.join(self.cwd, name), "w", encoding="utf-8") as out:
            out.write(text)

    def remove(self):
        self.stop()
        subprocess.run(["umount", ETC], check=True)


def routes_of(source):
    """The routes file that a document shows."""
    blocks = documents.man_blocks(source) if source.startswith("man/") else documents.md_blocks(source)
    return "\n".join(next(block for block in blocks if documents.kind_of(block) == "routes")) + "\n"
