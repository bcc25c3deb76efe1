"""What it takes to import a table of users: into LMDB alone, with two mirrors, and to verify these.

Beside it, in the same rounds: sqlite3's .import of the very file, and a loop of plain sets.
"""

import os
import random
import shutil
import statistics
import subprocess
import time

import figures
from branch import dovecot_conf
from servers import Memcached, Modules, Problem

MIRRORS = 2
MEMORY_FILES = ((250_000, False), (1_000_000, False), (1_000_000, True))  # users, shuffled
KINDS = {"lmdb": "import into LMDB alone", "mirrors": "import into LMDB and two memcacheds",
         "verify": "verify of both", "sqlite": "sqlite3 .import", "sets": "plain sets, one memcached"}


def write_users(path, count, shuffled=False):
    """In the order of the names, as a database exports them, or in none."""
    numbers = list(range(count))
    if shuffled:
        random.Random(1).shuffle(numbers)
    with open(path, "w", encoding="ascii") as file:
        file.write("user,host\n")
        file.writelines(f"user{i:07}@example.com,192.0.2.{i % 10 + 1}\n" for i in numbers)


class Imports:
    def __init__(self, options, folder):
        self.options = options
        self.folder = os.path.join(folder, "imports")
        os.makedirs(self.folder)
        self.modules = Modules(self.folder, options.modules)
        self.file = os.path.join(self.folder, "users.csv")
        self.seconds = {kind: [] for kind in KINDS}
        self.peaks = []
        self.dovecot = self._write("dovecot.conf",
                                   dovecot_conf(f"base_dir = {self.folder}\nprotocols =\n"))

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def run(self):
        users = self.options.import_users
        write_users(self.file, users)
        for number in range(self.options.import_rounds):
            self.options.progress(f"imports: round {number + 1}")
            kinds = [self._lmdb, self._with_mirrors, self._sqlite, self._sets]
            for measure in kinds if number % 2 == 0 else reversed(kinds):
                measure()
        for count, shuffled in MEMORY_FILES:
            if count <= users:
                path = os.path.join(self.folder, "memory.csv")
                write_users(path, count, shuffled)
                self.peaks.append((f"{count:,}" + (", in no order" if shuffled else ""),
                                   self._peak(path)))

    def _tool(self, stores, command, *words):
        """The process, with a table of its own when it imports."""
        table = os.path.join(self.folder, "table")
        if command == "import":
            shutil.rmtree(table, ignore_errors=True)
        conf = self._write("proxymap.conf", f"table = {table}\nstores = {stores}\n")
        return subprocess.Popen(
            self.modules.command("doveadm", "-c", self.dovecot, "proxymap", command,
                                 "--config", conf, *words),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def _measure(self, kind, stores, command, *words):
        start = time.monotonic()
        with self._tool(stores, command, *words) as process:
            said = process.stdout.read()
        self.seconds[kind].append(time.monotonic() - start)
        if process.returncode != 0:
            raise Problem(f"doveadm proxymap {command} failed: {said.strip()}")

    def _lmdb(self):
        self._measure("lmdb", "lmdb", "import", self.file)

    def _with_mirrors(self):
        servers = []
        try:
            for number in range(MIRRORS):
                servers.append(Memcached(os.path.join(self.folder, f"m{number}"), 1024,
                                         counts_keys=False))
            stores = " ".join(f"memcached:{server.path}" for server in servers)
            self._measure("mirrors", stores, "import", self.file)
            self._measure("verify", stores, "verify")
        finally:
            for number, server in enumerate(servers):
                server.stop()
                shutil.rmtree(os.path.join(self.folder, f"m{number}"))

    def _sqlite(self):
        base = os.path.join(self.folder, "users.db")
        start = time.monotonic()
        subprocess.run(["sqlite3", base, "CREATE TABLE proxy (user TEXT PRIMARY KEY, host TEXT)",
                        f".import --csv --skip 1 {self.file} proxy"], check=True)
        self.seconds["sqlite"].append(time.monotonic() - start)
        os.remove(base)

    def _sets(self):
        home = os.path.join(self.folder, "sets")
        server = Memcached(home, 1024, counts_keys=False)
        try:
            done = subprocess.run([self.options.plain_sets, server.path,
                                   str(self.options.import_users)],
                                  stdout=subprocess.PIPE, text=True, check=True)
            self.seconds["sets"].append(float(done.stdout))
        finally:
            server.stop()
            shutil.rmtree(home)

    def _peak(self, path):
        """The most memory of its own (RssAnon) that an import into LMDB takes, in KB."""
        peak = 0
        with self._tool("lmdb", "import", path) as process:
            while process.poll() is None:
                try:
                    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                        sizes = [int(line.split()[1]) for line in status
                                 if line.startswith("RssAnon:")]
                except (FileNotFoundError, ProcessLookupError):
                    break
                peak = max([peak, *sizes])
                time.sleep(0.005)
        return peak

    def _rate(self, kind):
        return self.options.import_users / statistics.median(self.seconds[kind])

    def _goals(self):
        verify = statistics.median(self.seconds["verify"])
        peaks = [peak for _, peak in self.peaks] or [0]
        goals = [("import into LMDB alone", "≥ 200,000 records/s", f"{self._rate('lmdb'):,.0f}",
                  self._rate("lmdb") >= 200_000),
                 ("import with two mirrors", "≥ 100,000 records/s", f"{self._rate('mirrors'):,.0f}",
                  self._rate("mirrors") >= 100_000),
                 ("verify of two mirrors", "≤ 20 s", f"{verify:.1f} s", verify <= 20),
                 ("own memory, the largest beside the smallest file", "≤ 1.1",
                  f"{max(peaks) / max(peaks[0], 1):.2f}", max(peaks) <= 1.1 * peaks[0])]
        enough = self.options.import_users >= 1_000_000
        return [[name, limit, figure,
                 "too few users" if not enough else "reached" if good else "missed"]
                for name, limit, figure, good in goals]

    def report(self):
        sqlite, sets = self.seconds["sqlite"], self.seconds["sets"]
        beside = {"lmdb": (sqlite, "sqlite3"), "mirrors": (sets, "plain sets")}
        rows = []
        for kind, what in KINDS.items():
            other = beside.get(kind)
            ratio = f"{figures.Ratio(self.seconds[kind], other[0])} × {other[1]}" if other else ""
            rows.append([what, f"{statistics.median(self.seconds[kind]):.2f}",
                         f"{self._rate(kind):,.0f}", ratio])
        return "\n\n".join((
            figures.table([f"{self.options.import_users:,} users", "seconds", "records/s",
                           "time beside"], rows),
            figures.table(["users", "own memory at most, MB"],
                          [[what, f"{peak / 1024:.0f}"] for what, peak in self.peaks]),
            figures.table(["goal", "limit", "figure", "verdict"], self._goals())))

    def data(self):
        return {"seconds": self.seconds, "peaks": self.peaks}
