"""Never to the wrong place: whatever becomes of memcached, the client sees its last good route or a
temporary failure. Never "wrong password", never another backend, and never the default one.

Each on memcached alone, and on memcached with the embedded table behind it.
"""

import contextlib
import os
import re
import shutil
import socket
import time

import pytest

from harness.authclient import AuthClient
from harness.backend import password_of
from harness.branch import Passdb
from harness.lying import Liar
from harness.process import wait_until

ROUTES = """
user   known   backend=b2
user   new     backend=b2
user   edited  backend=b2
domain example.org backend=b2
default *      backend=b1
"""
HOSTS = {"127.0.0.2": "b1", "127.0.0.3": "b2", "127.0.0.4": "b3"}
# Everything is looked up again after a second, and what does not exist at once.
IMPATIENT = {"cache_ttl": "1s", "cache_negative_ttl": "0"}
# The promise is 2 s from the moment the server is ready. The other half is for a loaded machine.
RECOVERY = 15.0


def where(reply):
    """b1, b2, b3, local; temp; or how else the login failed."""
    if reply.temporary:
        return "temp"
    if not reply.ok:
        return reply.raw or reply.status
    return HOSTS.get(reply.fields.get("host"), reply.raw) if reply.proxied else "local"


class Place:
    """A proxy with its memcached."""

    def __init__(self, site, memcached, lmdb):
        self.site, self.memcached, self.lmdb = site, memcached, lmdb
        self.client = AuthClient(site.proxy.socket("auth-client"))

    def reach(self, user):
        return where(self.client.login(user, password_of(user)))

    def reload_map(self, routes=ROUTES, check=True):
        records = "".join(server.record() for server in self.site.backends)
        self.site.proxymap.load(self.site.proxy, records + routes, check=check)

    def outlive_cache(self, users):
        """Logs in until all that was cached has expired, and some more: {user: set of outcomes}."""
        seen = {user: set() for user in users}
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            for user in users:
                seen[user].add(self.reach(user))
            time.sleep(0.02)
        return seen

    def put_witness(self, name):
        """A record that only memcached has: whoever is routed by it was answered by memcached."""
        position = re.search(rb"pos=(\S+)", self.memcached.get("pm:marker"))[1].decode()
        self.memcached.set(f"pm:user:{name}", f"user {name} backend=b2 pos={position}")

    def wait_recovered(self):
        self.put_witness("witness")
        wait_until(lambda: self.reach("witness") == "b2", "memcached is asked again", RECOVERY)


@pytest.fixture(params=[False, True], ids=["memcached", "memcached and lmdb"])
def lmdb(request):
    return request.param


@pytest.fixture
def make_place(make_site, make_memcached, lmdb):
    places = contextlib.ExitStack()

    def make(setting=None, passdbs=None, settings=None, memcached=None, users=None, **kind):
        memcached = memcached or make_memcached(**kind)
        stores = (setting or memcached.setting) + (" lmdb" if lmdb else "")
        site = make_site(ROUTES, {**IMPATIENT, "stores": stores, **(settings or {})}, passdbs=passdbs,
                         services=("imap",))
        place = Place(site, memcached, lmdb)
        places.callback(place.client.close)
        users = users or {"known": "b2", "x@example.org": "b2", "anybody": "b1"}
        assert {user: place.reach(user) for user in users} == users
        return place
    with places:
        yield make


def assert_never_wrong(place, seen):
    """seen: of people with records that say b2. A new one has no last good route."""
    for user, outcomes in seen.items():
        assert outcomes <= {"b2", "temp"}, (user, outcomes)
        if place.lmdb or user in ("known", "x@example.org"):
            assert outcomes == {"b2"}, (user, outcomes)


# ---- the server is gone, or stands still

def freeze(place):
    place.memcached.freeze()
    return place.memcached.thaw


def kill(place):
    place.memcached.kill()

    def heal():
        place.memcached.restart()
        place.reload_map()
    return heal


def empty(place):
    place.memcached.kill()
    place.memcached.start()
    return place.reload_map


OUTAGES = [freeze, kill, empty]


@pytest.mark.apart
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_leads_nobody_astray_and_ends_with_it(make_place, outage):
    place = make_place()
    heal = outage(place)
    seen = place.outlive_cache(["known", "new", "x@example.org", "other@example.org"])
    assert_never_wrong(place, seen)
    if not place.lmdb:
        assert seen["new"] == seen["other@example.org"] == {"temp"}
        # He has no record: but who could tell?
        assert place.reach("nobody-knows") == "temp"
    else:
        assert place.reach("nobody-knows") == "b1"
    heal()
    place.wait_recovered()
    assert place.reach("new") == "b2"
    assert place.reach("nobody-knows") == "b1"


@pytest.mark.apart
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_client_in_an_outage(make_place, outage):
    place = make_place()
    assert place.site.login("imap", "known").backend == "b2"
    outage(place)
    place.outlive_cache(["known"])
    assert place.site.login("imap", "known").backend == "b2"
    new = place.site.login("imap", "new")
    assert (new.outcome, new.backend) == (("ok", "b2") if place.lmdb else ("temp_failed", ""))


@pytest.mark.apart
@pytest.mark.parametrize("lmdb", [False], ids=["memcached"], indirect=True)
def test_an_outage_of_every_store_is_logged_once_a_minute_and_not_once_a_login(make_place):
    place = make_place()
    mark = place.site.proxy.mark()
    place.memcached.kill()
    place.outlive_cache(["known"])
    for number in range(20):
        place.reach("known")
        place.reach("new")
        place.reach(f"stranger{number}")
    lines = place.site.proxy.grep(r"(Error|Warning): .*proxymap", mark)
    causes = {re.sub(r"\d+", "", line.partition("proxymap: ")[2]) for line in lines}
    assert lines, "an outage must be logged"
    assert len(lines) == len(causes) <= 5, "\n".join(lines)


@pytest.mark.apart
def test_others_do_not_wait_for_who_waits_for_memcached(make_place, workspace):
    """Whoever is in the cache, or in another passdb of the same auth process, is answered first."""
    people = os.path.join(workspace, "local-people")
    with open(people, "w", encoding="ascii") as out:
        out.write("local:{PLAIN}pw-local::::::\n")
    place = make_place(passdbs=lambda pmap: [Passdb.of("passwd-file", people), pmap.passdb()],
                       settings={"cache_ttl": "1h", "lookup_timeout": "5s"})
    assert place.reach("local") == "local"
    place.memcached.freeze()
    client = place.client
    waiting = client.start("new", "pw-new")
    for _ in range(100):
        assert place.reach("local") == "local"
        assert place.reach("known") == "b2"
    assert waiting not in client.replies
    assert where(client.wait(waiting)) == ("b2" if place.lmdb else "temp")


# ---- it comes back with its old content

def stop_and_keep(memcached):
    """It throws its content away when it is started in the second in which it ended."""
    memcached.stop()
    stopped = time.time()
    wait_until(lambda: time.time() > stopped + 1.1, "the next second")


@pytest.mark.apart
def test_restarted_with_its_content_it_is_believed(make_place):
    place = make_place(keep=True)
    stop_and_keep(place.memcached)
    place.memcached.start()
    assert place.memcached.get("pm:marker") is not None, "the old content is back"
    place.wait_recovered()
    assert place.reach("new") == "b2"
    assert place.reach("anybody") == "b1"


@pytest.mark.apart
def test_restarted_with_content_older_than_what_was_seen_it_is_not_believed(make_place):
    place = make_place(keep=True)
    memcached = place.memcached
    stop_and_keep(memcached)
    kept = [memcached.keep_file, memcached.keep_file + ".meta"]
    for path in kept:
        shutil.copy(path, path + ".old")
    memcached.start()
    place.reload_map(ROUTES.replace("known   backend=b2", "known   backend=b1"))
    wait_until(lambda: place.reach("known") == "b1", "known has moved", RECOVERY)
    memcached.kill()
    for path in kept:
        shutil.copy(path + ".old", path)
    memcached.start()
    assert b"backend=b2" in memcached.get("pm:user:known"), "the old content is back"
    seen = place.outlive_cache(["known", "new"])
    assert seen["known"] == {"b1"}
    assert seen["new"] == ({"b2"} if place.lmdb else {"temp"})


# ---- full and evicting

def fill(memcached, name):
    """Sets values until the record of that name has been evicted."""
    record = memcached.get(f"pm:user:{name}")
    if record is None:
        return
    key = b"%%0%dd" % len(f"pm:user:{name}")  # as long as the record's: they are stored side by side
    with socket.create_connection(memcached.address) as connection:
        for lap in range(20):
            commands = [b"set " + key % (lap * 2000 + n) + b" 0 0 %d noreply\r\n%s\r\n" % (len(record), record)
                        for n in range(2000)]
            connection.sendall(b"".join(commands) + b"version\r\n")
            assert connection.recv(100).startswith(b"VERSION"), "all that was sent is done"
            if not memcached.has(f"pm:user:{name}"):
                return
    raise AssertionError(f"a megabyte holds no {lap * 2000} records, and yet {name} was not evicted")


@pytest.mark.apart
def test_an_evicted_user_does_not_go_to_the_default_backend(make_place):
    place = make_place(evict=True, megabytes=2, users={"known": "b2"})
    memcached = place.memcached
    others = {key: memcached.get(key) for key in
              ("pm:marker", "pm:default:%2A", "pm:backend:b1", "pm:backend:b2")}
    assert all(others.values()), others
    for name in ("known", "new"):
        fill(memcached, name)
    for key, value in others.items():
        memcached.set(key, value)
    assert int(memcached.stats()["evictions"]) > 0
    seen = place.outlive_cache(["known", "new"])
    assert not memcached.has("pm:user:known") and memcached.has("pm:default:%2A")
    assert seen["known"] == {"b2"}
    assert seen["new"] == ({"b2"} if place.lmdb else {"temp"})


# ---- it lies

LIES = ["late", "silent", "garbage", "error", "cut", "another_key", "wrong_key", "one_marker", "no_marker"]


@pytest.mark.apart
@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies_leads_nobody_astray(make_place, make_memcached, lie):
    memcached = make_memcached()
    with Liar(memcached) as liar:
        place = make_place(liar.setting, memcached=memcached)
        liar.lie = lie
        seen = place.outlive_cache(["known", "new", "x@example.org"])
        assert_never_wrong(place, seen)
        # Where it lies only about what it has, its word that he has no record is good.
        proven = place.lmdb or lie in ("another_key", "wrong_key")
        assert place.reach("nobody-knows") == ("b1" if proven else "temp")
        if lie in ("another_key", "garbage"):
            assert place.site.login("imap", "known").backend == "b2"
        liar.lie = None
        place.wait_recovered()
        assert place.reach("new") == "b2"


# ---- it holds what the tool would not write

BAD_RECORDS = {
    "does not parse": "user {name} backend= = pos={position}",
    "empty": "",
    "not text": b"\x00\xff\x80 pm",
    "an absent backend": "user {name} backend=b9 pos={position}",
    "a newline": "user {name} backend=b1\nhost=127.0.0.2 pos={position}",
    "a newline at the end": "user {name} backend=b1 pos={position}\n",
    "an unknown field": "user {name} backend=b1 nopasswd=y pos={position}",
    "a field that lets people in": "user {name} backend=b1 nopassword=y pos={position}",
    "no position": "user {name} backend=b1",
    "somebody else's record": "user anybody backend=b1 pos={position}",
    "another kind": "backend {name} host=127.0.0.2 pos={position}",
}


@pytest.fixture(scope="module", params=[False, True], ids=["memcached", "memcached and lmdb"])
def edited_place(request, make_site, make_memcached):
    memcached = make_memcached()
    site = make_site(ROUTES, {**IMPATIENT, "stores": memcached.setting + (" lmdb" if request.param else "")},
                     services=("imap",))
    place = Place(site, memcached, request.param)
    yield place
    place.client.close()


@pytest.mark.parametrize("text", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_a_record_that_no_tool_wrote_leads_nowhere(edited_place, text):
    place = edited_place
    good = {name: place.memcached.get(f"pm:user:{name}") for name in ("known", "new", "edited")}
    try:
        assert place.reach("known") == "b2"
        position = re.search(rb"pos=(\S+)", good["known"])[1].decode()
        for name in good:
            value = text if isinstance(text, bytes) else text.format(name=name, position=position).encode()
            place.memcached.set(f"pm:user:{name}", value)
        seen = place.outlive_cache(list(good))
        for name, outcomes in seen.items():
            assert outcomes <= {"b2", "temp"}, (name, outcomes)
        # Of the others nobody notices anything.
        assert place.reach("x@example.org") == "b2"
        assert place.reach("anybody") == "b1"
    finally:
        for name, value in good.items():
            place.memcached.set(f"pm:user:{name}", value)
    wait_until(lambda: place.reach("known") == "b2", "the record is good again", RECOVERY)
