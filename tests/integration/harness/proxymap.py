"""The settings file of the plugin and `doveadm proxymap`, for one proxy."""

import os

from .branch import Passdb


class Proxymap:
    """settings: as in proxymap.conf.ext; `table` and `stores` have defaults (an LMDB of its own)."""

    def __init__(self, folder, **settings):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.conf = os.path.join(folder, "proxymap.conf.ext")
        self.settings = {"table": os.path.join(folder, "table"), "stores": "lmdb"}
        self.sections = ""
        self.write(**settings)

    def write(self, **settings):
        """Changes settings (None takes one out); a running Dovecot reads them at its next reload."""
        self.settings.update(settings)
        with open(self.conf, "w", encoding="utf-8") as out:
            for name, value in self.settings.items():
                if value is not None:
                    out.write(f"{name} = {value}\n")
            out.write(self.sections)

    def credentials(self, text):
        """Writes the file of local credentials and names it in the settings."""
        path = os.path.join(self.folder, "proxymap-credentials.conf.ext")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        self.write(credentials_file=path)

    def passdb(self, **rules):
        """The passdb block that uses these settings."""
        return Passdb.of("proxymap", self.conf, **rules)

    # ---- the tool; dovecot: whose configuration doveadm reads

    def run(self, dovecot, command, *args, check=True):
        """`doveadm proxymap COMMAND --config FILE ARGS`."""
        if command == "check":
            return dovecot.doveadm("proxymap", "check", "--config", self.conf, *args, check=check)
        return dovecot.doveadm("proxymap", command, "--config", self.conf, *args, check=check)

    def load(self, dovecot, routes, check=True):
        """Imports the text of a routes file: afterwards the map is just that."""
        path = os.path.join(self.folder, "routes")
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write(routes)
        return self.run(dovecot, "import", path, check=check)
