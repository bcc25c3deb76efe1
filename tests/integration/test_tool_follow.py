"""`doveadm proxymap follow`: replicas of the table on other hosts."""

import os
import re
import signal

import pytest

from harness.hosts import follower, host, make_follower, mirrors, pair, start, stores  # noqa: F401 (fixtures)
from harness.hosts import NEEDS_EXPORT, NOT_HOST, ROUTES, in_force, position, same_map
from harness.process import wait_until


def test_a_replica_is_the_table_as_it_was_exported(host, follower):
    assert same_map(host, follower)


def test_follow_takes_over_what_changed(host, follower):
    host("set", "user", "u1", "backend=b2", "destuser=somebody else")
    host("delete", "user", "u2")
    host("set", "domain", "example.org", "backend=b2")
    assert not same_map(host, follower)
    assert "current at position" in follower("follow", "--once").stdout
    assert same_map(host, follower)
    assert "(0 records taken over)" in follower("follow", "--once").stdout


def test_a_mirror_with_two_versions_of_a_record_is_read_as_its_marker_says(host, follower, mirrors):
    old = mirrors[0].get("pm:marker")
    first = mirrors[0].get("pm:user:u1")
    host("set", "user", "u1", "backend=b2")
    now = mirrors[0].get("pm:marker")
    two = first + b"\n" + mirrors[0].get("pm:user:u1")
    for mirror in mirrors:
        mirror.set("pm:user:u1", two)
        mirror.set("pm:marker", old)
    follower("follow", "--once")
    assert follower.fields("user", "u1") == "backend=b1"
    for mirror in mirrors:
        mirror.set("pm:marker", now)
    follower("follow", "--once")
    assert follower.fields("user", "u1") == "backend=b2" and same_map(host, follower)


@pytest.mark.parametrize("words", [("set", "user", "u1", "backend=b2"), ("delete", "user", "u1"), ("sync",), ("verify", "--repair"),
                                   ("unset", "user", "u1", "backend"), ("backend", "down", "b1"), ("import", "-"),
                                   ("set", "--dry-run", "user", "u1", "backend=b2"), ("sync", "--dry-run")])
def test_every_command_that_writes_is_refused_on_a_follower(follower, mirrors, words):
    before, markers = follower.export("--positions"), [mirror.get("pm:marker") for mirror in mirrors]
    said = follower.error(*words, stdin="user u1 backend=b2\n", code=NOT_HOST)
    assert "this host follows the table of another host" in said and "promote" in said
    assert follower.export("--positions") == before and [mirror.get("pm:marker") for mirror in mirrors] == markers


def test_a_follower_that_is_promoted_is_the_tables_host(host, follower):
    host("set", "user", "u1", "backend=b2")
    follower("follow", "--once")
    assert "nothing in it is lost" in follower("promote", "--yes").stdout
    follower("set", "user", "u2", "backend=b2")
    assert in_force(host, "u1") == in_force(host, "u2") == "127.0.0.3"
    assert "another host is the table's host" in host.error("set", "user", "u3", "backend=b2", code=NOT_HOST)
    assert "this host's table is its own" in follower.error("follow", "--once", code=65)
    # The old host may become a follower: the export is a later state of its very table.
    host("follow", "--init", host.write("export", follower.export("--positions")))
    follower("set", "user", "u3", "backend=b2")
    host("follow", "--once")
    assert same_map(host, follower)


def test_the_other_followers_need_an_export_of_the_new_host(make_follower):
    one, other = make_follower(), make_follower()
    one("promote", "--yes")
    said = other.error("follow", "--once", code=NEEDS_EXPORT)
    assert "the table has another host since position" in said and "fresh export" in said
    assert other("follow", "--init", "-", stdin=one.export("--positions"))
    other("follow", "--once")
    assert same_map(one, other)


def test_a_reset_needs_a_fresh_export(host, follower):
    many = "".join(f"user v{i} backend=b1\n" for i in range(10_001))
    host("import", host.write("many", many))
    said = follower.error("follow", "--once", code=NEEDS_EXPORT)
    assert "the journal does not say what changed" in said and "`doveadm proxymap follow --init`" in said
    follower("follow", "--init", "-", stdin=host.export("--positions"))
    assert same_map(host, follower)
    host("set", "user", "v1", "backend=b2")
    follower("follow", "--once")
    assert same_map(host, follower)


def test_a_gap_in_one_mirrors_journal_is_filled_by_the_others(host, follower, mirrors):
    host("set", "user", "u1", "backend=b2")
    host("set", "user", "u2", "backend=b2")
    assert mirrors[0].delete("pm:log:2")
    follower("follow", "--once")
    assert same_map(host, follower)
    host("set", "user", "u1", "backend=b1")
    host("set", "user", "u2", "backend=b1")
    for mirror in mirrors:
        assert mirror.delete("pm:log:4")
    before = follower.export("--positions")
    assert "the journal does not say" in follower.error("follow", "--once", code=NEEDS_EXPORT)
    assert follower.export("--positions") == before


def test_a_miss_of_a_server_that_evicts_is_no_delete(make_tool, make_memcached):
    mirror = make_memcached(evict=True)
    host = make_tool(ROUTES, stores=mirror.setting)
    follower = make_tool(stores=mirror.setting)
    follower("follow", "--init", "-", stdin=host.export("--positions"))
    host("delete", "user", "u1")
    assert "proves nothing: the server evicts" in follower.error("follow", "--once", code=75)
    assert follower.fields("user", "u1") == "backend=b1"


def test_a_mirror_that_is_behind_or_empty_is_not_followed(host, follower, mirrors):
    behind = mirrors[0].get("pm:marker").replace(b"complete", b"behind")
    mirrors[0].set("pm:marker", behind)
    mirrors[1].empty()
    said = follower.error("follow", "--once", code=75)
    assert f"{mirrors[0].setting}: it is being filled" in said and f"{mirrors[1].setting}: it has no marker" in said
    host("sync")
    follower("follow", "--once")


def test_a_foreign_table_in_the_mirrors_needs_an_export(make_tool, host, follower, mirrors, stores):
    for mirror in mirrors:
        mirror.empty()
    make_tool(ROUTES, stores=stores)
    assert "holds another table" in follower.error("follow", "--once", code=NEEDS_EXPORT)
    assert position(follower) == position(host)


def test_mirrors_that_are_down_are_named(follower, mirrors):
    for mirror in mirrors:
        mirror.kill()
    said = follower.error("follow", "--once", code=75)
    assert all(mirror.setting in said for mirror in mirrors)


def test_follow_where_there_is_no_replica(make_tool, stores, host):
    tool = make_tool(stores=stores)
    assert "there is no replica on this host" in tool.error("follow", "--once", code=NEEDS_EXPORT)
    assert not os.path.exists(tool.map.settings["table"])
    assert "this host's table is its own" in host.error("follow", "--once", code=65)


@pytest.mark.parametrize("words, sentence", [
    (("--interval", "0"), "from 1 to 5"), (("--interval", "1s"), "from 1 to 5"), (("--interval", "60"), "from 1 to 5"),
    (("--once", "--init", "-"), "--init only makes the replica"), (("--dry-run",), "--dry-run goes with --init alone"),
])
def test_wrong_options_of_follow(follower, words, sentence):
    assert sentence in follower.error("follow", *words, stdin="", code=64)


@pytest.mark.parametrize("spoil, sentence", [
    (lambda lines: lines[:-1], ":24: the file is cut off"),
    (lambda lines: lines[1:], ":1: it is no file of `doveadm proxymap export --positions`"),
    (lambda lines: lines[:5] + lines[6:], ":23: it is no record, and no end of 21 records"),
    (lambda lines: lines + ["user x backend=b1"], "something follows behind the end"),
    (lambda lines: [*lines[:3], "user x backend=b1", *lines[3:]], ":4: a stored record ends in its position"),
    (lambda lines: [*lines[:3], lines[3].replace(" pos=", " pos=f"), *lines[3:]], ":4: "),
    (lambda lines: [*lines[:3], re.sub(r"\d+$", "99", lines[3]), *lines[3:]], ":4: the record's position is none of those"),
    (lambda lines: [], ":1: it is no file of"),
])
def test_a_file_that_is_not_whole_makes_no_replica(make_tool, host, follower, stores, spoil, sentence):
    text = "".join(line + "\n" for line in spoil(host.export("--positions").splitlines()))
    before = follower.export("--positions")
    assert sentence in follower.error("follow", "--init", follower.write("spoilt", text), code=65)
    assert follower.export("--positions") == before
    fresh = make_tool(stores=stores)
    fresh.error("follow", "--init", fresh.write("spoilt", text), code=65)
    assert "there is no replica" in fresh.error("follow", "--once", code=NEEDS_EXPORT)


def test_init_does_not_replace_a_table_of_this_hosts_own(make_tool, host, stores):
    other = make_tool("user x host=10.0.0.1\n")
    before = other.export("--positions")
    assert "has a table of its own" in other.error("follow", "--init", "-", stdin=host.export("--positions"), code=65)
    assert "has a table of its own" in host.error("follow", "--init", "-", stdin=host.export("--positions"), code=65)
    assert other.export("--positions") == before
    other("set", "user", "y", "host=10.0.0.1")


def test_init_does_not_go_back(host, follower):
    old = host.export("--positions")
    host("set", "user", "u1", "backend=b2")
    follower("follow", "--once")
    assert "this replica is newer" in follower.error("follow", "--init", "-", stdin=old, code=65)
    assert same_map(host, follower)


def test_a_dry_init_changes_nothing(make_tool, host, follower, stores):
    host("set", "user", "u1", "backend=b2")
    before, export = follower.export("--positions"), host.export("--positions")
    assert "replica of 22 records" in follower("follow", "--dry-run", "--init", "-", stdin=export).stdout
    assert follower.export("--positions") == before
    fresh = make_tool(stores=stores)
    assert "dry run" in fresh("follow", "--dry-run", "--init", "-", stdin=export).stdout
    assert not os.path.exists(fresh.map.settings["table"])


def test_an_export_with_positions_is_no_file_for_import(host):
    assert "pos" in host.error("import", "-", stdin=host.export("--positions"), code=65)
    assert "--positions prints a format of its own" in host.error("export", "--positions", "--format", "csv", code=64)


def test_init_of_a_file_that_is_not_there(follower):
    assert "cannot be opened" in follower.error("follow", "--init", "/nonexistent", code=66)


def polled(tool):
    try:
        with open(os.path.join(tool.map.settings["table"], "polled"), encoding="ascii") as note:
            return note.read()
    except FileNotFoundError:
        return ""


def test_follow_goes_on_until_it_is_ended(host, follower, start):
    process = start(follower, "follow")
    wait_until(lambda: "current at position" in process.said(), "the replica is current")
    for backend in "b2", "b1":
        host("set", "user", "u1", f"backend={backend}")
        wait_until(lambda: same_map(host, follower), "the replica has the change")
    said, note = process.said(), polled(follower)
    assert re.fullmatch(r"(v1 boot=\d{20} wall=\d{20}\n)\1", note)
    wait_until(lambda: polled(follower) != note, "it has polled again")
    assert process.said() == said  # quiet
    process.stop(signal.SIGTERM)
    assert process.popen.returncode == 0


def test_status_shows_a_replica_and_when_it_was_seen_to_be_current(host, follower):
    row = follower.rows("status")[0]
    assert row["state"] == "replica" and "is proxymap-follow.service running?" in row["why"]
    follower("follow", "--once")
    assert re.fullmatch(r"seen to be current \d+ s ago", follower.rows("status")[0]["why"])
    host("set", "user", "u1", "backend=b2")
    assert [row["state"] for row in follower.rows("status", code=75)] == ["replica", "newer", "newer"]


def test_follow_says_once_that_the_mirrors_are_down_and_that_they_are_back(host, follower, mirrors, start):
    process = start(follower, "follow")
    wait_until(lambda: "current at position" in process.said(), "the replica is current")
    for mirror in mirrors:
        mirror.kill()
    wait_until(lambda: "this replica proves no miss until that is over" in process.said(), "it says so")
    note = polled(follower)
    for mirror in mirrors:
        mirror.start()
    wait_until(lambda: "it has no marker" in process.said(), "an empty mirror is no good")
    assert polled(follower) == note
    host("sync")
    host("set", "user", "u1", "backend=b2")
    wait_until(lambda: same_map(host, follower), "it goes on")
    wait_until(lambda: process.said().count("current at position") == 2, "it says so")
    assert process.said().count("\n") <= 8


def test_a_mirror_that_hangs_does_not_keep_the_replica_from_the_others(host, follower, mirrors, start):
    process = start(follower, "follow")
    wait_until(lambda: "current at position" in process.said(), "the replica is current")
    mirrors[0].freeze()
    host("set", "user", "u1", "backend=b2", code=75)
    wait_until(lambda: same_map(host, follower), "the replica has the change")
    for _ in range(3):
        note = polled(follower)
        wait_until(lambda: polled(follower) != note, "it is seen to be current")
    mirrors[0].thaw()
    assert process.said().count("\n") == 1  # nothing is wrong


def test_a_follow_whose_host_is_promoted_ends(follower, start):
    process = start(follower, "follow")
    wait_until(lambda: "current at position" in process.said(), "the replica is current")
    # Not while it takes a step, which it does not here.
    follower("promote", "--yes")
    wait_until(lambda: not process.alive(), "it ends")
    assert process.popen.returncode == 0 and "this host is the table's now" in process.said()


def test_a_follow_that_has_lost_the_thread_ends(host, follower, start, mirrors):
    process = start(follower, "follow")
    wait_until(lambda: "current at position" in process.said(), "the replica is current")
    process.send(signal.SIGSTOP)
    wait_until(lambda: process.state() == "T", "it is stopped")
    host("set", "user", "u1", "backend=b2")
    for mirror in mirrors:
        mirror.delete("pm:log:2")
    process.send(signal.SIGCONT)
    wait_until(lambda: not process.alive(), "it ends")
    assert process.popen.returncode == NEEDS_EXPORT and "fresh export" in process.said()


def test_sealed_maps_are_followed_and_forged_records_are_not(make_tool, mirrors, stores):
    host, follower = make_tool(stores=stores), make_tool(stores=stores)
    for tool in host, follower:
        key = os.path.join(tool.folder, "seal-keys")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write("current = k1\nseal_key k1 {\n  key = MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n}\n")
        tool.map.write(seal_keys_file=key, require_seal="yes")
    host("import", host.write("routes", ROUTES))
    follower("follow", "--init", "-", stdin=host.export("--positions"))
    host("set", "user", "u1", "backend=b2")
    host("delete", "user", "u2")
    follower("follow", "--once")
    assert same_map(host, follower)
    host("set", "user", "u3", "backend=b2")
    for mirror in mirrors:
        mirror.set("pm:user:u3", mirror.get("pm:user:u3").replace(b"backend=b2", b"host=evil.example"))
    assert "user u3: " in follower.error("follow", "--once", code=75)
    assert follower.fields("user", "u3") == "backend=b1"
