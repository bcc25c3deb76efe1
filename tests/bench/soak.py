"""Whether a login process grows: its memory before, during and after very many logins, with a TLS
policy, resumption and a source pool, many users and backends' names."""

import os

import figures
from logins import POOL, run_login_load
from proxies import ADDRESS, CERTIFIED, Backend, Certificates, Proxy
from servers import Modules, Problem

USERS = 100_000
NAMES = 1500       # of backends; more than sessions are kept, so that old ones go
SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 1)
SETTLED = 0.1      # of the logins: by then every cache and every pool of memory has its size
ALLOWED_KB = 512   # after that; a leak of one byte a login would be 900 KB in 1,000,000


def memory_kb(pid):
    """Resident, and of it what the process has for itself alone."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon"):
                found[name] = int(value.split()[0])
    return found["VmRSS"], found["RssAnon"]


class Soak:
    def __init__(self, options, folder):
        self.options = options
        self.folder = os.path.join(folder, "soak")
        os.makedirs(self.folder)
        self.rows = []

    def run(self):
        certificates = Certificates(self.folder)
        settings = os.path.join(self.folder, "soak.conf.ext")
        with open(settings, "w", encoding="ascii") as file:
            file.write(f"tls_policy strict {{\n  ca_file = {certificates.ca}\n"
                       f"  verify_name = {CERTIFIED}\n}}\n"
                       f"source_pool out {{\n  addresses = {' '.join(POOL)}\n}}\n")
        backend = Backend(self.options.imap_backend, 20100, certificates)
        modules = Modules(self.folder, self.options.modules)
        proxy = Proxy(os.path.join(self.folder, "proxy"), modules, 20101,
                      f"host=%d hostip={ADDRESS} port=20100 ssl=yes proxymap_tls=strict "
                      "proxymap_source=out", settings=certificates.settings(), plugin=settings)
        try:
            pids, done = [], 0
            for share in SHARES:
                wanted = int(self.options.soak * share)
                load = run_login_load(
                    self.options.login_load, 20101, backend.marker, "--requests", wanted - done,
                    "--users", USERS, "--domains", NAMES, "--skip", done, "--outstanding", 32)
                if load["ok"] != wanted - done:
                    raise Problem(f"soak: {load}: {proxy.last_log_lines()}")
                pids = pids or proxy.login_pids()
                if proxy.login_pids() != pids or len(pids) != 1:
                    raise Problem("soak: another login process: " + proxy.last_log_lines())
                done = wanted
                counts = backend.counts()
                if counts["logins"] != done or set(counts["sources"]) != set(POOL):
                    raise Problem(f"soak: the backend has seen {counts} and not {done} logins")
                resumed = counts["resumed"] / counts["handshakes"]
                self.rows.append([done, *memory_kb(pids[0]), f"{resumed:.0%}"])
                self.options.progress(f"soak: {done} logins")
        finally:
            proxy.stop()
            backend.stop()

    def report(self):
        settled = self.rows[SHARES.index(SETTLED)]
        grown = self.rows[-1][2] - settled[2]
        return (figures.table(["logins", "resident KB", "own KB", "resumed"], self.rows) + "\n\n"
                + figures.table(["goal", "limit", "figure", "verdict"],
                                [[f"growth of own memory from login {settled[0]} to "
                                  f"{self.rows[-1][0]}", f"≤ {ALLOWED_KB} KB", f"{grown} KB",
                                  "reached" if grown <= ALLOWED_KB else "missed"]]))

    def data(self):
        return self.rows
