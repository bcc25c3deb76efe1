"""`doveadm proxymap` alone, with a map of its own: no server of Dovecot's runs."""

import json
import os

from .branch import Spec
from .dovecot import Dovecot


class Tool:
    """The map's settings file is conf; files of a test go to folder."""

    def __init__(self, folder, pmap):
        self.folder, self.map = folder, pmap
        self.dovecot = Dovecot(Spec(name="tool", folder=folder), services=())
        self.dovecot.write_conf()

    def __call__(self, command, *args, stdin=None, code=0):
        """Runs `doveadm proxymap COMMAND`; the exit code must be that. Returns what it printed."""
        done = self.dovecot.doveadm("proxymap", command, "--config", self.map.conf, *args, stdin=stdin, check=False)
        assert done.returncode == code, f"{command} {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def error(self, command, *args, stdin=None, code):
        """What it says on stderr when it fails with that code."""
        said = self(command, *args, stdin=stdin, code=code).stderr
        assert said.strip(), f"{command} {args} failed without a word"
        return said

    def rows(self, command, *args, code=0):
        """What it prints with -f json."""
        done = self.dovecot.doveadm("-f", "json", "proxymap", command, "--config", self.map.conf, *args, check=False)
        assert done.returncode == code, f"{command} {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def fields(self, kind, name):
        """Of a record of the table; None: there is none."""
        done = self.dovecot.doveadm("-f", "json", "proxymap", "get", "--config", self.map.conf, kind, name, check=False)
        return json.loads(done.stdout)[0]["fields"] if done.returncode == 0 else None

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        return path

    def export(self, *args):
        return self("export", *args).stdout
