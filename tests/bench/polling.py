"""What it costs a proxy to follow the map: its auth process with nobody logging in, beside one with a
static passdb.
"""

import os
import re
import statistics
import time

import figures
from servers import Auth, Problem
from throughput import passdb_block, user

LIMIT_SHARE = 0.001   # of one processor
USERS = 100           # that log in first, so that there is something in the cache


class Polling:
    def __init__(self, options, folder, modules, routes, memcached):
        self.options = options
        self.folder = folder
        self.modules = modules
        self.routes = routes
        self.memcached = memcached
        self.shares = {"following": [], "static": []}
        self.reads = []

    def run(self):
        follows = Auth(os.path.join(self.folder, "dovecot-polling"), self.modules,
                       self.routes.settings("polling", ["memcached"]))
        static = Auth(os.path.join(self.folder, "dovecot-polling-static"), self.modules,
                      passdb_block("static", self.folder, 0, None))
        try:
            for number in range(USERS):
                for dovecot in (follows, static):
                    if dovecot.login(user(number))["verdict"] != "OK":
                        raise Problem(f"polling: {user(number)} cannot log in: "
                                      + dovecot.last_log_lines())
            for number in range(self.options.polling_rounds):
                self._round(follows, static)
                self.options.progress(f"polling: round {number + 1} of {self.options.polling_rounds}")
        finally:
            follows.stop()
            static.stop()

    def _round(self, follows, static):
        before = follows.cpu_ns(), static.cpu_ns(), time.monotonic_ns()
        gets, started = self._gets(), time.monotonic()
        time.sleep(self.options.polling_seconds)  # how long is what is measured
        elapsed = time.monotonic_ns() - before[2]
        self.shares["following"].append((follows.cpu_ns() - before[0]) / elapsed)
        self.shares["static"].append((static.cpu_ns() - before[1]) / elapsed)
        self.reads.append((self._gets() - gets) / (time.monotonic() - started))

    def _gets(self):
        """How many keys were asked for since the start."""
        found = re.search(r"STAT cmd_get (\d+)", self.memcached.ask("stats", "END"))
        return int(found[1])

    def report(self):
        shares = {name: statistics.median(values) for name, values in self.shares.items()}
        rows = [[name, f"{share * 100:.4f} %"] for name, share in shares.items()]
        most = max(self.shares["following"])
        verdict = "reached" if most <= LIMIT_SHARE else \
            "undecided" if min(self.shares["following"]) <= LIMIT_SHARE else "missed"
        if len(self.reads) < 3:
            verdict = "too few rounds"
        return "\n\n".join([
            figures.table(["auth with nobody logging in", "of one processor"], rows),
            figures.table(["goal", "limit", "figure", "verdict"], [
                ["following the map, CPU", "≤ 0.1 %", f"{shares['following'] * 100:.4f} % "
                 f"(at most {most * 100:.4f} %)", verdict]]),
            f"At rest {statistics.median(self.reads):.1f} keys a second are read: "
            "the marker, twice."])

    def data(self):
        return {"shares": self.shares, "keys_a_second": self.reads}
