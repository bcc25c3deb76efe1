"""Hostile login names: none of them becomes a memcached command, and nothing crashes."""

import socket

import pytest

from harness.authclient import AuthClient, AuthMaster
from harness.process import wait_until

ROUTES = "user john backend=b1\nuser Joe@Example.ORG backend=b2\n"
KEYS = ["pm:marker", "pm:log:1", "pm:user:john", "pm:user:joe@example.org", "pm:backend:b1", "pm:backend:b2"]
POISON = b"set pm:user:john 0 0 5\r\nhello"

NAMES = {
    "a blank": b"john x",
    "blanks around": b" john ",
    "only blanks": b"   ",
    "a tab": b"john\tx",
    "CR LF": b"john\r\n",
    "NUL": b"john\0x",
    "8-bit": b"j\xf6hn\xff",
    "UTF-8": "jöhn".encode(),
    "10 KB": b"a" * 10240,
    "10 KB of blanks": b" " * 10240,
    "a path": b"../../../etc/passwd",
    "a path in the key": b"../user:john",
    "percent signs": b"%u%n%{user}%%s%s%s%n",
    "an encoded line end": b"john%0D%0Aflush_all",
    "a command": b"a\r\n" + POISON,
    "a command behind a blank": b"a " + POISON,
    "flush_all": b"a\r\nflush_all\r\n",
    "a key of another kind": b"x\r\nget pm:backend:b1\r\n",
    "colons": b"john:pm:default:*",
    "the default record's name": b"*",
    "a shell's": b"$(reboot)`id`;|&",
    "DEL and ESC": b"\x7f\x1b[2J",
}


@pytest.fixture(scope="module")
def memcached(make_memcached):
    return make_memcached()


@pytest.fixture(scope="module")
def site(make_site, memcached):
    return make_site(ROUTES, {"stores": memcached.setting, "cache_negative_ttl": "0", "proxy_name": "p1"},
                     services=("imap", "lmtp"), extra="auth_username_chars =\n")


@pytest.fixture
def unharmed(site, memcached):
    """Whatever a test does: memcached was only read, auth lives, john and joe get where they belong."""
    assert site.login("imap", "john").backend == "b1"

    def state():
        stats = memcached.stats()
        counted = {name: stats[name] for name in ("cmd_flush", "cmd_touch", "delete_hits", "delete_misses",
                                                  "curr_items")}
        # Not cmd_set: each second the process says of itself how far it has followed the map, under one key.
        written = {key: memcached.cas(key) for key in KEYS}
        return site.proxy.auth_pid(), counted, written, memcached.get("pm:user:john")
    wait_until(lambda: memcached.has("pm:proxy:p1"), "the process has said so for the first time")
    before = state()
    assert all(before[2].values())
    assert before[0] is not None, "auth runs"
    yield
    assert state() == before
    assert site.proxy.crashes() == []
    assert site.login("imap", "john").backend == "b1"
    assert site.login("imap", "joe@example.org").backend == "b2"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_hostile_name_on_the_auth_socket(site, unharmed, name):
    with AuthClient(site.proxy.socket("auth-client")) as client:
        for password in (b"pw", POISON):
            assert not client.login(name, password).ok
        assert client.login("john", "pw-john").proxied


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_hostile_recipient_on_the_master_socket(site, unharmed, name):
    with AuthMaster(site.proxy.socket("auth-master")) as master:
        reply = master.lookup(name)
        if b"\0" in name:  # Dovecot itself ends a name there: this is john, and goes where john goes
            assert (reply.fields["user"], reply.fields["host"]) == ("john", "127.0.0.2")
        else:
            assert not reply.ok


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_hostile_name_in_an_imap_literal(site, unharmed, name):
    with socket.create_connection(site.proxy.address("imap"), timeout=30) as connection:
        stream = connection.makefile("rb")
        assert stream.readline().startswith(b"* OK")
        connection.sendall(b"1 LOGIN {%d+}\r\n%s {2+}\r\npw\r\n" % (len(name), name))
        while (line := stream.readline()) and not line.startswith((b"1 ", b"* BYE")):
            assert line.startswith(b"* "), line
        assert not line.startswith(b"1 OK"), line


def test_a_name_is_the_same_in_capitals(site):
    for name in ("joe@example.org", "Joe@Example.ORG", "JOE@EXAMPLE.ORG"):
        reached = site.login("imap", name, "pw-joe@example.org")
        assert (reached.backend, reached.user) == ("b2", "joe@example.org")


def test_two_records_that_differ_by_case_are_an_error_that_names_both_lines(site):
    before = site.proxymap.run(site.proxy, "export").stdout
    done = site.proxymap.load(site.proxy, "backend b1 host=127.0.0.2\nuser joe@example.org backend=b1\n\n"
                              "user Joe@Example.ORG backend=b1\n", check=False)
    assert done.returncode != 0
    complaint = [line for line in done.stderr.splitlines() if "routes:4:" in line]
    assert len(complaint) == 1 and "line 2" in complaint[0], done.stderr
    assert site.proxymap.run(site.proxy, "export").stdout == before
