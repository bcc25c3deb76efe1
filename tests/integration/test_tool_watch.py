"""`doveadm proxymap watch`: the journal, as it is and as it grows."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import sanitizer
from harness.hosts import follower, host, make_follower, mirrors, pair, start, stores  # noqa: F401 (fixtures)
from harness.hosts import position
from harness.process import wait_until


def changes(rows):
    return [(row["kind"], row["name"]) for row in rows]


def test_watch_once_shows_what_the_journal_still_has(host):
    host("set", "user", "u1", "backend=b2")
    host("delete", "user", "u2")
    rows = host.rows("watch", "--once")
    assert changes(rows)[-2:] == [("user", "u1"), ("user", "u2")] and len(rows) == 24
    table, epoch, sequence = position(host)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"]) for row in rows)
    assert [row["position"] for row in rows[-2:]] == [f"{table}.{epoch}.{sequence - 1}", f"{table}.{epoch}.{sequence}"]


def test_watch_from_a_position(host):
    table, epoch, sequence = position(host)
    host("set", "user", "u1", "backend=b2")
    host("set", "user", "u2", "backend=b2")
    assert changes(host.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence}")) == [("user", "u1"), ("user", "u2")]
    assert changes(host.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence + 1}")) == [("user", "u2")]
    assert host.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence + 2}") == []
    assert changes(host.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence + 9}")) == [("reset", "")]
    assert changes(host.rows("watch", "--once", "--from", f"{'0' * 15}1.{epoch}.{sequence}")) == [("reset", "")]
    assert "is no position" in host.error("watch", "--from", "7", code=64)


def test_watch_from_a_mirror_where_there_is_no_table(make_tool, host, stores, mirrors):
    table, epoch, sequence = position(host)
    host("set", "user", "u1", "backend=b2")
    host("set", "user", "u2", "backend=b2")
    elsewhere = make_tool(stores=stores)
    assert changes(elsewhere.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence}")) == [("user", "u1"), ("user", "u2")]
    for mirror in mirrors:
        mirror.delete(f"pm:log:{sequence + 1}")
    rows = elsewhere.rows("watch", "--once", "--from", f"{table}.{epoch}.{sequence}")
    assert changes(rows) == [("reset", ""), ("user", "u2")]
    assert rows[0]["position"] == f"{table}.{epoch}.{sequence + 1}"
    for mirror in mirrors:
        mirror.kill()
    assert mirrors[0].setting in elsewhere.error("watch", "--once", code=75)


def test_watch_of_a_followers_replica(host, follower):
    host("set", "user", "u1", "backend=b2")
    follower("follow", "--once")
    assert changes(follower.rows("watch", "--once")) == [("user", "u1")]


@pytest.mark.parametrize("formatter, first, second", [
    ((), "\tuser\tu1\n", "\tuser\tu2\n"),
    (("-f", "tab"), "\tuser\tu1\n", "\tuser\tu2\n"),
    (("-f", "flow"), "kind=user name=u1\n", "kind=user name=u2\n"),
    (("-f", "table"), "user u1", "user u2"),
    (("-f", "json"), '"kind":"user","name":"u1"}', '"kind":"user","name":"u2"}'),
])
def test_watch_shows_changes_as_they_come(host, start, formatter, first, second):
    table, epoch, sequence = position(host)
    host("set", "user", "u1", "backend=b2")
    process = start(host, "watch", "--from", f"{table}.{epoch}.{sequence}", formatter=formatter)
    wait_until(lambda: first in process.said(), "the change that there was")
    host("set", "user", "u2", "backend=b2")
    wait_until(lambda: second in process.said(), "the one that came")
    process.stop(signal.SIGTERM if formatter else signal.SIGINT)
    assert process.popen.returncode == 0
    if "json" in formatter:
        assert changes(json.loads(process.said())) == [("user", "u1"), ("user", "u2")]


def test_watch_shows_a_promotion_as_a_reset(host, start):
    process = start(host, "watch")
    # What it begins with it does not say: it is told until it shows a change.
    numbers = iter(range(1000))
    wait_until(lambda: host("set", "user", "u1", f"host=10.0.0.{next(numbers)}") and "user\tu1" in process.said(), "it watches")
    host("promote", "--yes")
    wait_until(lambda: re.search(r"\.2\.\d+\t\S*\treset\t\n", process.said()), "the reset")


def test_watch_ends_when_nobody_reads_it(host):
    ours, theirs = os.pipe()
    with subprocess.Popen(["doveadm", "-c", host.dovecot.conf, "-f", "tab", "proxymap", "watch", "--config", host.map.conf, "--from",
                           ".".join(map(str, position(host)))], stdout=theirs, env=sanitizer.environment()) as watch:
        os.close(theirs)
        host("set", "user", "u1", "backend=b2")
        said = b""
        while b"\tuser\tu1\n" not in said:
            more = os.read(ours, 4096)
            assert more, said
            said += more
        os.close(ours)
        host("set", "user", "u1", "backend=b1")
        assert watch.wait(30) == 74
