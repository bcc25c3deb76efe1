"""How much a login costs: passdb-proxymap against Dovecot's own passdbs, in rounds run in turn.

Every passdb gives the same fields for the same users. A figure counts only if every login of it
succeeded and, where the name of the variant says so, only if memcached was asked for every user
(or for none); memcached itself is the witness.
"""

import json
import os
import sqlite3
import statistics
import subprocess
from dataclasses import dataclass, field

import figures
from branch import dovecot_conf
from servers import Auth, Problem

BACKENDS = 16
# Answers wake nobody: what that costs auth would depend on how much faster the other side is.
PAUSE_USECS = 200
OUTSTANDING = 256


@dataclass
class Variant:
    name: str
    passdb: str            # who answers; variants with the same one share a Dovecot
    distribution: str
    user_gets: str = ""    # what memcached must have been asked for: each, none, or "" for unknown
    baseline: str = "static"
    rounds: list = field(default_factory=list)
    position: int = 0      # in the sequence of users

    def column(self, name):
        return [one[name] for one in self.rounds]


def all_variants():
    return [
        Variant("static", "static", "uniform"),
        Variant("passwd-file", "passwd-file", "uniform"),
        Variant("sql", "sql", "uniform"),
        Variant("cached", "cached", "uniform", user_gets="none"),
        Variant("memcached", "memcached", "sequential", user_gets="each", baseline="static-seq"),
        Variant("lmdb", "lmdb", "sequential", baseline="static-seq"),
        Variant("static-seq", "static", "sequential", baseline="static-seq"),
        Variant("static-zipf", "static", "zipf", baseline="static-zipf"),
        Variant("cached-zipf", "cached", "zipf", user_gets="none", baseline="static-zipf"),
        Variant("small-cache-zipf", "small-cache", "zipf", baseline="static-zipf"),
        Variant("sql-zipf", "sql", "zipf", baseline="static-zipf"),
    ]


# What is to be reached: (words, variant above, variant below, limit in words, limits).
GOALS = [
    ("cached route, CPU", "cached", "static", "≤ 1.10", {"at_most": 1.10}),
    ("cached route, Zipf users, CPU", "cached-zipf", "static-zipf", "≤ 1.10", {"at_most": 1.10}),
    ("every lookup from memcached, CPU", "memcached", "static-seq", "≤ 1.50", {"at_most": 1.5}),
    ("sql against cached, CPU", "sql", "cached", "≥ 4", {"at_least": 4}),
    ("sql against memcached, CPU", "sql", "memcached", "≥ 4", {"at_least": 4}),
]


def user(number):
    return f"user{number}@example.com"


def host(number):
    return f"10.0.0.{number % BACKENDS + 1}"


class Map:
    """The routes, as a routes file, and the settings of proxymap that read them."""

    def __init__(self, folder, users, memcached):
        self.folder = folder
        self.users = users
        self.memcached = memcached
        self.table = os.path.join(folder, "table")
        self.routes = os.path.join(folder, "routes")
        with open(self.routes, "w", encoding="ascii") as file:
            for number in range(BACKENDS):
                file.write(f"backend b{number} host={host(number)}\n")
            for number in range(users):
                file.write(f"user {user(number)} backend=b{number % BACKENDS}\n")

    def settings(self, name, stores, cache_size="64M", more=""):
        """Writes a settings file; returns the passdb block that uses it."""
        addresses = {"memcached": f"memcached:{self.memcached.path}", "lmdb": "lmdb"}
        path = os.path.join(self.folder, f"{name}.conf.ext")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"table = {self.table}\n"
                       f"stores = {' '.join(addresses[store] for store in stores)}\n"
                       f"cache_size = {cache_size}\n{more}")
        return f"passdb {{\n  driver = proxymap\n  args = {path}\n}}\n"

    def load(self, modules):
        self.settings("import", ["lmdb", "memcached"])
        config = os.path.join(self.folder, "import.dovecot.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(dovecot_conf(f"base_dir = {self.folder}\nlog_path = /dev/stderr\n"
                                    "ssl = no\n"))
        done = subprocess.run(
            modules.command("doveadm", "-c", config, "proxymap", "import", "--config",
                            os.path.join(self.folder, "import.conf.ext"), self.routes),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        if done.returncode != 0:
            raise Problem(f"the routes cannot be imported: {done.stdout.strip()}")


def passdb_block(passdb, folder, users, routes):
    """The passdb block of that name, with the map it needs."""
    if passdb == "static":
        return ("passdb {\n  driver = static\n"
                f"  args = nopassword=y proxy=y host={host(0)}\n}}\n")
    if passdb == "passwd-file":
        path = os.path.join(folder, "passwd")
        with open(path, "w", encoding="ascii") as file:
            for number in range(users):
                file.write(f"{user(number)}:::::::nopassword=y proxy=y host={host(number)}\n")
        return f"passdb {{\n  driver = passwd-file\n  args = {path}\n}}\n"
    if passdb == "sql":
        database = os.path.join(folder, "users.sqlite")
        with sqlite3.connect(database) as connection:
            connection.execute("CREATE TABLE users (user TEXT PRIMARY KEY, host TEXT NOT NULL)")
            connection.executemany("INSERT INTO users VALUES (?, ?)",
                                   ((user(number), host(number)) for number in range(users)))
        connection.close()
        path = os.path.join(folder, "sql.conf.ext")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"driver = sqlite\nconnect = {database}\npassword_query = SELECT NULL AS "
                       "password, 'Y' AS nopassword, 'Y' AS proxy, host FROM users "
                       "WHERE user = '%u'\n")
        return f"passdb {{\n  driver = sql\n  args = {path}\n}}\n"
    if passdb == "cached":
        # Room for all: an entry takes 72 bytes.
        return routes.settings(passdb, ["memcached"], cache_size=f"{max(64, users // 5000)}M")
    if passdb == "small-cache":
        return routes.settings(passdb, ["memcached"], cache_size="1M")
    # A cache that is far smaller than the map, and users in sequence: when a user's turn comes
    # again, the record is long gone.
    return routes.settings(passdb, [passdb], cache_size="1M")


def run_load(tool, socket, *options):
    done = subprocess.run([tool, "--socket", socket, *map(str, options)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0:
        raise Problem(f"auth-load had no answer to each login: {done.stdout.strip()}")
    return json.loads(done.stdout)


def check_answer(name, dovecot):
    """Every passdb must say the same, or what it costs is no comparison."""
    reply = dovecot.login(user(0))
    expected = {"verdict": "OK", "user": user(0), "proxy": "", "host": host(0)}
    if reply.get("proxy") in ("y", "Y"):  # 2.4 repeats how it was switched on
        reply["proxy"] = ""
    if reply != expected:
        raise Problem(f"{name} answers {reply} and not {expected}: {dovecot.last_log_lines()}")


def warm_up(tool, dovecot, users):
    """Each user once: caches fill, workers start, files are read. A few first, for auth holds
    back each failed login, and many of those would take all day."""
    for first, count in ((0, 100), (100, users - 100)):
        load = run_load(tool, dovecot.socket, "--requests", count, "--users", count,
                        "--first-user", first, "--distribution", "sequential")
        if load["ok"] != count:
            raise Problem(f"only {load['ok']} of {count} users can log in: "
                          f"{dovecot.last_log_lines()}")


class Throughput:
    def __init__(self, options, folder, modules, routes, memcached):
        self.options = options
        self.memcached = memcached
        wanted = options.variants or [variant.name for variant in all_variants()]
        self.variants = [variant for variant in all_variants() if variant.name in wanted]
        self.dovecots = {}
        self.folder = folder
        self.modules = modules
        self.routes = routes

    def run(self):
        try:
            for variant in self.variants:
                if variant.passdb not in self.dovecots:
                    self._start(variant.passdb)
            for number in range(self.options.rounds):
                # To and fro, so that no variant always runs behind the same neighbour.
                for variant in self.variants if number % 2 == 0 else reversed(self.variants):
                    variant.rounds.append(self._one_round(variant, number))
                self.options.progress(f"round {number + 1} of {self.options.rounds}")
        finally:
            for dovecot in self.dovecots.values():
                dovecot.stop()

    def _start(self, passdb):
        folder = os.path.join(self.folder, f"dovecot-{passdb}")
        block = passdb_block(passdb, self.folder, self.options.users, self.routes)
        dovecot = self.dovecots[passdb] = Auth(folder, self.modules, block)
        check_answer(passdb, dovecot)
        warm_up(self.options.auth_load, dovecot, self.options.users)

    def _one_round(self, variant, number):
        dovecot = self.dovecots[variant.passdb]
        gets = self.memcached.user_gets() if self.memcached else 0
        server_cpu = self.memcached.cpu_ns() if self.memcached else 0
        cpu = dovecot.cpu_ns()
        load = run_load(self.options.auth_load, dovecot.socket, "--seconds", self.options.seconds,
                        "--outstanding", OUTSTANDING, "--pause", PAUSE_USECS,
                        "--users", self.options.users, "--distribution", variant.distribution,
                        "--seed", number + 1, "--skip", variant.position)
        requests = load["requests"]
        variant.position = (variant.position + requests) % self.options.users
        result = {
            "requests": requests,
            "requests_per_second": load["requests_per_second"],
            "cpu_us": (dovecot.cpu_ns() - cpu) / 1000 / requests,
            "p50_us": load["latency_us"]["p50"],
            "p99_us": load["latency_us"]["p99"],
            "user_gets": 0.0,
            "memcached_cpu_us": 0.0,
        }
        if self.memcached:
            result["user_gets"] = (self.memcached.user_gets() - gets) / requests
            result["memcached_cpu_us"] = (self.memcached.cpu_ns() - server_cpu) / 1000 / requests
        self._check_round(variant, load, result)
        return result

    def _check_round(self, variant, load, result):
        if load["ok"] != load["requests"]:
            raise Problem(f"{variant.name}: only {load['ok']} of {load['requests']} logins "
                          f"succeeded: {self.dovecots[variant.passdb].last_log_lines()}")
        gets = result["user_gets"]
        if variant.user_gets == "each" and gets < 0.98:
            raise Problem(f"{variant.name}: memcached was asked for only {gets:.2f} users a login;"
                          " the cache answered the others (take more --users)")
        if variant.user_gets == "none" and gets > 0:
            raise Problem(f"{variant.name}: memcached was asked for {gets:.4f} users a login, "
                          "but all should have come from the cache")

    def report(self):
        by_name = {variant.name: variant for variant in self.variants}
        rows = []
        for variant in self.variants:
            row = [variant.name, variant.distribution]
            for name, digits in (("requests_per_second", 0), ("cpu_us", 2)):
                row.append(f"{statistics.median(variant.column(name)):.{digits}f}")
            base = by_name.get(variant.baseline)
            for name in ("cpu_us", "requests_per_second"):
                row.append(figures.Ratio(variant.column(name), base.column(name)) if base else "-")
            for name, digits in (("p50_us", 0), ("p99_us", 0), ("user_gets", 3),
                                 ("memcached_cpu_us", 2)):
                row.append(f"{statistics.median(variant.column(name)):.{digits}f}")
            rows.append(row)
        head = ["passdb", "users", "req/s", "CPU µs/req", "CPU × static", "req/s × static",
                "p50 µs", "p99 µs", "memcached user gets/req", "memcached CPU µs/req"]
        text = figures.table(head, rows)
        goals = []
        for words, above, below, limit, limits in GOALS:
            if above in by_name and below in by_name:
                ratio = figures.Ratio(by_name[above].column("cpu_us"),
                                      by_name[below].column("cpu_us"))
                goals.append([words, limit, ratio, ratio.verdict(**limits)])
        if goals:
            text += "\n\n" + figures.table(["goal", "limit", "ratio (95 % interval)", "verdict"],
                                           goals)
        return text

    def data(self):
        return {variant.name: variant.rounds for variant in self.variants}
