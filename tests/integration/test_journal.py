"""A change of the map, on its way into a proxy that runs: in force within two seconds, for all its records at
once, whatever becomes of the tool, the mirrors or the proxy meanwhile.

Users and backends carry the generation of the map that they belong to, so an answer that was put together from two
generations shows.
"""

import contextlib
import csv
import dataclasses
import io
import itertools
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import sanitizer
from harness.authclient import AuthClient
from harness.hosts import mirrors, pair, stores  # noqa: F401 (fixtures)
from harness.load import Load as ProxiedLoad
from harness.process import wait_until
from harness.residents import ResidentBackend, Residents

# The promise; a loaded machine gets as much again.
IN_FORCE = 4.0
HOSTS = {"127.0.0.2": "b1", "127.0.0.3": "b2"}
USERS = 50
FAULTS = re.findall(r'string_view\("([a-z-]+)"\)',
                    (Path(__file__).parents[2] / "src/store/fault_point.h").read_text(encoding="utf-8"))


def routes(generation, moved=lambda number: False, users=USERS):
    """The map of a generation. Everything in it is of that generation, and so is each answer."""
    lines = [f"backend b{number} host=127.0.0.{number + 1} forward_backend={generation}\n" for number in (1, 2)]
    lines += [f"user u{number} backend=b{2 if moved(number) else 1} forward_user={generation}\n"
              for number in range(users)]
    return "".join(lines)


@dataclasses.dataclass(frozen=True)
class Answer:
    """Where a login would go; generation: of the map, None where there is no route."""
    outcome: str  # b1 b2 temp unknown
    generation: str = None

    @classmethod
    def of(cls, reply):
        if reply.temporary:
            return cls("temp")
        if not reply.ok:
            assert reply.status == "FAIL", reply.raw
            return cls("unknown")
        assert reply.proxied, reply.raw
        generations = {reply.fields["forward_user"], reply.fields["forward_backend"]}
        assert len(generations) == 1, f"a mixture: {reply.raw}"
        return cls(HOSTS[reply.fields["host"]], generations.pop())


class Watched:
    """A proxy that reads mirrors alone, and the tool of the table's host."""

    def __init__(self, site):
        self.site = site
        self.client = AuthClient(site.proxy.socket("auth-client"))

    def reach(self, user):
        return Answer.of(self.client.login(user, "secret"))

    def tool(self, command, *args, code=0, fault=None):
        done = self.site.proxy.doveadm("proxymap", command, "--config", self.site.proxymap.conf, *args, check=False,
                                       variables={"PROXYMAP_FAULT": fault} if fault else None)
        assert done.returncode == code, f"{command} {args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def write(self, name, text):
        path = Path(self.site.proxymap.folder) / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def wait(self, user, outcome):
        wait_until(lambda: self.reach(user).outcome == outcome, f"{user} is at {outcome}", IN_FORCE)

    def counted(self, cache):
        """Lookups for which the cache was of that use: hit, stale, miss."""
        text = self.site.proxy.doveadm("-f", "tab", "stats", "dump").stdout
        return sum(int(row["count"]) for row in csv.DictReader(io.StringIO(text), delimiter="\t")
                   if row["metric_name"] == f"lookups_{cache}" and row["field"] == "duration")

    def restart(self):
        self.client.close()
        self.site.proxy.restart()
        self.client = AuthClient(self.site.proxy.socket("auth-client"))


@pytest.fixture(scope="module")
def site(make_site, pair):  # noqa: F811
    return make_site(settings={"stores": " ".join(mirror.setting for mirror in pair)}, services=("imap",), start=False,
                     extra="metric lookups {\n  filter = event=proxymap_lookup_finished\n  group_by = cache\n}\n")


@pytest.fixture
def proxy(site, mirrors, tmp_path):  # noqa: F811
    """Its mirrors hold generation 1, and it has cached all of it."""
    site.proxymap.write(table=str(tmp_path / "table"))
    site.proxymap.load(site.proxy, routes(1))
    site.proxy.restart()
    watched = Watched(site)
    for number in range(USERS):
        watched.wait(f"u{number}", "b1")
    yield watched
    watched.client.close()


# ---- one change

def test_a_moved_user_is_routed_anew(proxy):
    proxy.tool("set", "user", "u1", "backend=b2")
    proxy.wait("u1", "b2")
    assert proxy.reach("u2").outcome == "b1"


def test_a_deleted_user_is_unknown(proxy):
    proxy.tool("delete", "user", "u1")
    proxy.wait("u1", "unknown")


def test_a_new_user_is_known_right_after_he_was_not(proxy):
    assert proxy.reach("new").outcome == "unknown"
    proxy.tool("set", "user", "new", "backend=b2", "forward_user=1")
    proxy.wait("new", "b2")


def test_a_backend_on_hold_takes_all_its_users_with_it(proxy):
    proxy.tool("backend", "down", "b1")
    proxy.wait("u1", "temp")
    proxy.tool("backend", "up", "b1")
    proxy.wait("u1", "b1")


def test_a_change_costs_the_cache_no_other_record(proxy, mirrors):  # noqa: F811
    proxy.tool("set", "user", "u1", "backend=b2")
    proxy.wait("u1", "b2")
    before = mirrors[0].stats()["get_hits"], mirrors[0].stats()["cmd_get"]
    for number in range(2, USERS):
        assert proxy.reach(f"u{number}").outcome == "b1"
    keys = int(mirrors[0].stats()["cmd_get"]) - int(before[1])
    assert keys < USERS / 2, f"{keys} keys asked for, by polling alone"


def test_many_changes_in_a_row_are_all_followed(proxy):
    for number in range(12):
        proxy.tool("set", "user", f"u{number}", "backend=b2")
    for number in range(12):
        proxy.wait(f"u{number}", "b2")


# ---- mirrors that are cut off

def test_a_mirror_that_comes_back_with_old_content_is_not_believed(proxy, mirrors):  # noqa: F811
    mirrors[0].freeze()
    proxy.tool("set", "user", "u1", "backend=b2", code=75)
    proxy.wait("u1", "b2")
    mirrors[0].thaw()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert proxy.reach("u1").outcome == "b2"
        assert proxy.reach("nobody").outcome in ("unknown", "temp")
        time.sleep(0.01)
    assert b"backend=b1" in mirrors[0].get("pm:user:u1")
    proxy.tool("sync")
    assert b"backend=b2" in mirrors[0].get("pm:user:u1")
    mirrors[1].kill()
    wait_until(lambda: proxy.reach("nobody").outcome == "unknown", "the first mirror is read again", 10)
    assert proxy.reach("u1").outcome == "b2"


def test_a_proxy_that_starts_while_its_first_mirror_is_behind_reads_the_other(proxy, mirrors):  # noqa: F811
    mirrors[0].freeze()
    proxy.tool("set", "user", "u1", "backend=b2", code=75)
    mirrors[0].thaw()
    # Half of it is how long the first login waits for the first answer of the second one.
    proxy.site.proxymap.write(lookup_timeout="5s")
    proxy.restart()
    assert proxy.reach("u1").outcome == "b2"
    proxy.site.proxymap.write(lookup_timeout=None)


def test_a_proxy_that_is_cut_off_goes_on_with_what_it_knows_and_catches_up(proxy, mirrors):  # noqa: F811
    for mirror in mirrors:
        mirror.freeze()
    proxy.tool("set", "user", "u1", "backend=b2", code=75)
    assert proxy.counted("stale") == 0
    # Beyond the time for which it counts as fresh: now as what it is, stale, and still better than no mail.
    wait_until(lambda: proxy.reach("u1") == Answer("b1", "1") and proxy.counted("stale"),
               "what it remembers counts as stale", 20)
    for mirror in mirrors:
        mirror.thaw()
    proxy.tool("sync")
    proxy.wait("u1", "b2")
    assert proxy.reach("u2").outcome == "b1"


# ---- the whole table at once

class Load(threading.Thread):
    """Logins, some 2,000 a second, of all users in turn: (seconds, user, answer) each."""
    AT_ONCE = 40

    def __init__(self, site, users):
        super().__init__(daemon=True)
        self.client = AuthClient(site.proxy.socket("auth-client"))
        self.users, self.seen, self.error = users, [], None
        self.ended = threading.Event()

    def run(self):
        number = 0
        try:
            while not self.ended.is_set():
                began = time.monotonic()
                batch = [(number + i) % self.users for i in range(self.AT_ONCE)]
                number += self.AT_ONCE
                asked = [(user, self.client.start(f"u{user}", "secret")) for user in batch]
                for user, request in asked:
                    self.seen.append((time.monotonic(), user, Answer.of(self.client.wait(request))))
                time.sleep(max(0, self.AT_ONCE / 2000 - (time.monotonic() - began)))  # a rate, not a wait
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        self.start()
        wait_until(lambda: len(self.seen) >= self.users or self.error, "every user has logged in once", 90)
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        self.client.close()
        assert self.error is None, self.error


@pytest.mark.alone
def test_a_whole_new_table_is_in_force_at_once_under_load(proxy):
    users = 12_000  # more than a journal entry names

    def moved(number):
        return number % 2 == 1
    proxy.tool("import", "--replace", proxy.write("one", routes(1, users=users)))
    with Load(proxy.site, users) as load:
        proxy.tool("import", "--replace", proxy.write("two", routes(2, moved, users)))
        done = time.monotonic()
        wait_until(lambda: load.error or load.seen[-1][0] > done + IN_FORCE, "the load goes on behind it", 60)
    assert len(load.seen) > users
    for when, user, answer in load.seen:
        expected = Answer("b1", "1"), Answer("b2" if moved(user) else "b1", "2")
        assert answer in expected, (user, answer)
        if when > done + IN_FORCE / 2:
            assert answer == expected[1], (when - done, user, answer)


def test_backends_see_one_generation_each_and_the_old_ones_nobody_any_more(make_site, mirrors):  # noqa: F811
    """As above, by the logs of the backends: each generation has backends of its own, and users are sent under a
    name that says of which generation their record was."""
    users = 12_000
    with contextlib.ExitStack() as stack:
        backends = {(generation, name): stack.enter_context(ResidentBackend(f"{name} of {generation}", host, Residents()))
                    for generation in (1, 2) for name, host in (("b1", "127.0.0.70"), ("b2", "127.0.0.71"))}

        def written(name, generation, moved=lambda number: False):
            lines = [f"backend {one} host={backend.host} port={backend.port}\n"
                     for (of, one), backend in backends.items() if of == generation]
            lines += [f"user u{number} backend={'b2' if moved(number) else 'b1'} destuser=u{number}-{generation}\n"
                      for number in range(users)]
            return proxy.write(name, "".join(lines))

        def logged(generation, name):
            return list(backends[generation, name].knocked)
        site = make_site(settings={"stores": " ".join(mirror.setting for mirror in mirrors)}, services=("imap",),
                         service_count=0)
        proxy = Watched(site)
        proxy.tool("import", written("one", 1))
        numbers = itertools.count()
        with ProxiedLoad(site, lambda: (f"u{next(numbers) % users}", "secret")) as load:
            load.wait_for_more(200, 90)
            proxy.tool("import", "--replace", written("two", 2, lambda number: number % 2 == 1))
            done = time.monotonic()
            wait_until(lambda: time.monotonic() > done + IN_FORCE, "it is in force", IN_FORCE + 1)
            old = len(logged(1, "b1"))
            load.wait_for_more(200, 90)
        assert set(load.outcomes) == {"ok"}
        for generation, name in backends:
            assert {user.rpartition("-")[2] for user in logged(generation, name)} <= {str(generation)}
        assert len(logged(1, "b1")) == old >= 200 and not logged(1, "b2")
        for name, rest in ("b1", 0), ("b2", 1):
            numbers = {int(user[1:].partition("-")[0]) for user in logged(2, name)}
            assert numbers and {number % 2 for number in numbers} == {rest}
        proxy.client.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tool_that_is_killed_leaves_no_mixture(proxy, mirrors, fault):  # noqa: F811
    if fault.startswith("behind"):
        mirrors[0].freeze()
        proxy.tool("set", "user", "other", "backend=b1", "forward_user=1", code=75)
        mirrors[0].thaw()
    elif fault.startswith("fill"):
        mirrors[0].delete("pm:marker")  # what else it holds has to go first
    new = proxy.write("two", routes(2, lambda number: True))
    with Load(proxy.site, USERS) as load:
        proxy.tool("import", "--replace", new, code=-9, fault=fault)
        seen = len(load.seen)
        wait_until(lambda: load.error or len(load.seen) > seen + 2 * USERS, "the load goes on behind it", 30)
        proxy.tool("sync")
        committed = fault != "before-commit"
        wait_until(lambda: load.error or all(answer == (Answer("b2", "2") if committed else Answer("b1", "1"))
                                             for _, _, answer in load.seen[-USERS:]),
                   "the map is what the table says", IN_FORCE + 2)
    assert {answer for _, _, answer in load.seen} <= {Answer("b1", "1"), Answer("b2", "2")}
    proxy.tool("verify")


# ---- mirrors that cannot be relied on, with the embedded map behind them

@pytest.fixture
def backed(make_site, make_memcached):
    """backed(**memcached): a proxy that reads that server, and LMDB behind it."""
    opened = []

    def make(**how):
        mirror = make_memcached(**how)
        made = make_site(settings={"stores": f"{mirror.setting} lmdb", "cache_ttl": "1s"}, services=("imap",), start=False)
        made.proxymap.load(made.proxy, routes(1))
        made.proxy.start()
        opened.append(Watched(made))
        return opened[0], mirror
    yield make
    for watched in opened:
        watched.client.close()


def test_a_mirror_that_evicts_is_said_to_and_logins_go_on(backed):
    users = 30_000
    proxy, mirror = backed(evict=True, megabytes=1, extra=["-I", "512k"])
    proxy.tool("import", "--replace", proxy.write("many", routes(1, users=users)))
    gone = [number for number in range(0, users, 50) if not mirror.has(f"pm:user:u{number}")]
    assert gone
    for number in gone + list(range(users - 50, users)):
        assert proxy.reach(f"u{number}") == Answer("b1", "1")
    assert proxy.reach("nobody").outcome == "unknown"
    assert "evicts" in proxy.tool("verify", code=1) or "missing" in proxy.tool("verify", code=1)


def test_a_mirror_that_dies_during_an_import_is_named_and_filled_again(backed):
    proxy, mirror = backed(megabytes=256)
    new = proxy.write("two", routes(2, lambda number: True, 300_000))
    with Load(proxy.site, USERS) as load:
        command = ["doveadm", "-c", proxy.site.proxy.conf, "proxymap", "import", "--config",
                   proxy.site.proxymap.conf, "--replace", new]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=sanitizer.environment()) as importing:
            wait_until(lambda: int(mirror.stats()["curr_items"]) > USERS + 1000, "some of it is sent", 30, pause=0.001)
            mirror.kill()
            said, _ = importing.communicate(timeout=60)
        assert importing.returncode == 75, said
        assert mirror.setting in said and "run doveadm proxymap sync" in said
        wait_until(lambda: load.error or all(answer == Answer("b2", "2") for _, _, answer in load.seen[-USERS:]),
                   "LMDB has it all", 30)
        mirror.start()
        assert "the whole table" in proxy.tool("sync")
    proxy.tool("verify")
    assert {answer for _, _, answer in load.seen} <= {Answer("b1", "1"), Answer("b2", "2"), Answer("temp")}
    assert load.seen[-1][2] == Answer("b2", "2")
