"""What a memcached that hangs does to those who log in.

Two proxies read the same memcached: one has nothing behind it, one has the embedded map. Most
logins are of cached users, each 100th is of a user who was never asked for. Each round measures an
undisturbed stretch and one during which memcached is stopped (SIGSTOP), then lets it go on and
waits until an uncached user gets in again.
"""

import os
import statistics
import time

import figures
from branch import no_internal_failure_delay
from servers import Auth, Problem, wait_until
from throughput import run_load, user, warm_up

TIMEOUT_MS = 500     # lookup_timeout
MARGIN = 1.2         # the deadline + 20 %
UNCACHED_EVERY = 100
SPARE_USERS = 500    # uncached names left for the checks whether memcached has recovered

# Auth holds back every failed login for up to two seconds and more, as a defence against guessing.
# Here that would hide how soon proxymap has answered, so a first passdb block says `nodelay`.
NO_FAILURE_DELAY = """passdb {
  driver = static
  args = nopassword=y noauthenticate=y nodelay=y
}
"""


class Latency:
    def __init__(self, options, folder, modules, routes, memcached):
        self.options = options
        self.folder = folder
        self.modules = modules
        self.routes = routes
        self.memcached = memcached
        self.cached_users = options.users // 4
        self.next_uncached = self.cached_users
        self.rounds = {}

    def run(self):
        for name, stores in (("memcached", ["memcached"]),
                             ("memcached, then lmdb", ["memcached", "lmdb"])):
            block = self.routes.settings("latency-" + stores[-1], stores,
                                         more=f"lookup_timeout = {TIMEOUT_MS}ms\n")
            dovecot = Auth(os.path.join(self.folder, "dovecot-latency-" + stores[-1]),
                           self.modules,
                           no_internal_failure_delay() + NO_FAILURE_DELAY + block)
            try:
                self._run_one(name, dovecot)
            finally:
                dovecot.stop()

    def _run_one(self, name, dovecot):
        self.next_uncached = self.cached_users
        warm_up(self.options.auth_load, dovecot, self.cached_users)
        rounds = self.rounds[name] = []
        for number in range(self.options.latency_rounds):
            before = self._load(dovecot, number)
            self.memcached.pause()
            try:
                during = self._load(dovecot, number)
            finally:
                resumed = time.monotonic()
                self.memcached.resume()
            wait_until(lambda: self._memcached_answers(dovecot),
                       "the recovery after memcached went on")
            recovery = time.monotonic() - resumed
            self._check(name, before, during)
            rounds.append({"before": before, "during": during, "recovery_s": recovery})
            self.options.progress(f"{name}: round {number + 1} of {self.options.latency_rounds}")

    def _load(self, dovecot, number):
        load = run_load(self.options.auth_load, dovecot.socket,
                        "--seconds", self.options.latency_seconds, "--rate", self.options.rate,
                        "--users", self.cached_users, "--seed", number + 1,
                        "--uncached-every", UNCACHED_EVERY, "--uncached-first", self.next_uncached)
        self.next_uncached += load["uncached"]["requests"]
        if self.next_uncached > self.options.users - SPARE_USERS:
            raise Problem("there are too few --users for so many rounds of uncached ones")
        return load

    def _memcached_answers(self, dovecot):
        """Whether an uncached user gets in, and by memcached and not by what is behind it."""
        gets = self.memcached.user_gets()
        self.next_uncached += 1
        reply = dovecot.login(user(self.next_uncached - 1))
        return reply["verdict"] == "OK" and self.memcached.user_gets() > gets

    @staticmethod
    def _check(name, before, during):
        for words, load in (("before", before), ("during", during)):
            if load["ok"] != load["requests"] - load["uncached"]["requests"]:
                raise Problem(f"{name}, {words}: cached users were refused: {load}")
        if before["uncached"]["ok"] != before["uncached"]["requests"]:
            raise Problem(f"{name}, before: uncached users were refused: {before['uncached']}")
        if during["uncached"]["fail"] > 0:
            raise Problem(f"{name}, during: an outage became \"unknown user\": "
                          f"{during['uncached']}")

    def report(self):
        rows, goals = [], []
        for name, rounds in self.rounds.items():
            def column(when, *path):
                values = [one[when] for one in rounds]
                for word in path:
                    values = [value[word] for value in values]
                return values

            for when in ("before", "during"):
                uncached = column(when, "uncached")
                rows.append([
                    name, when,
                    f"{statistics.median(column(when, 'latency_us', 'p50')):.0f}",
                    f"{statistics.median(column(when, 'latency_us', 'p99')):.0f}",
                    f"{statistics.median(column(when, 'uncached', 'latency_us', 'p50')):.0f}",
                    f"{max(column(when, 'uncached', 'latency_us', 'max')) / 1000:.1f}",
                    sum(one["ok"] for one in uncached), sum(one["tempfail"] for one in uncached)])
            ratio = figures.Ratio(column("during", "latency_us", "p99"),
                                  column("before", "latency_us", "p99"))
            goals.append([f"{name}: cached p99, during / before", "≤ 2", ratio,
                          ratio.verdict(at_most=2)])
            slowest = max(column("during", "uncached", "latency_us", "max")) / 1000
            goals.append([f"{name}: slowest uncached answer", f"≤ {TIMEOUT_MS * MARGIN:.0f} ms",
                          f"{slowest:.1f} ms",
                          "reached" if slowest <= TIMEOUT_MS * MARGIN else "missed"])
            recovery = max(one["recovery_s"] for one in rounds)
            goals.append([f"{name}: slowest recovery", "≤ 2 s", f"{recovery:.2f} s",
                          "reached" if recovery <= 2 else "missed"])
        return (figures.table(["stores", "memcached hangs", "cached p50 µs", "cached p99 µs",
                               "uncached p50 µs", "uncached max ms", "uncached ok",
                               "uncached tempfail"], rows)
                + "\n\n" + figures.table(["goal", "limit", "figure", "verdict"], goals))

    def data(self):
        return self.rounds
