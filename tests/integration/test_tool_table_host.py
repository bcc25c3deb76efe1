"""`doveadm proxymap promote`: which of the hosts writes the table."""

import os
import pty
import subprocess

from harness import sanitizer
from harness.hosts import host, mirrors, pair, stores  # noqa: F401 (fixtures)
from harness.hosts import NOT_HOST, copy_of, in_force, position


def test_the_second_of_two_hosts_is_refused_until_it_is_promoted_and_then_the_first_is(make_tool, host, stores):
    second = copy_of(make_tool, host, stores)
    host("set", "user", "u1", "backend=b2")
    before = second.export()
    said = second.error("set", "user", "u2", "backend=b2", code=NOT_HOST)
    assert "holds newer records of this table than this host has" in said and "promote" in said
    assert second.export() == before and in_force(host, "u1") == "127.0.0.3"

    said = second("promote", "--yes").stdout
    assert "this host is the table's" in said
    assert in_force(host, "u1") == "127.0.0.2"  # the map is the second's, wholly
    second("set", "user", "u2", "backend=b2")
    assert in_force(host, "u2") == "127.0.0.3"
    said = host.error("set", "user", "u3", "backend=b2", code=NOT_HOST)
    assert "another host is the table's host" in said
    assert in_force(host, "u3") == "127.0.0.2"
    assert all(row["state"] == "current" for row in second.rows("status")[1:])
    assert second.rows("verify")


def test_nor_does_the_old_host_touch_a_mirror_by_sync(make_tool, host, stores, mirrors):
    second = copy_of(make_tool, host, stores)
    second("promote", "--yes")
    markers = [mirror.get("pm:marker") for mirror in mirrors]
    for words in ("sync",), ("sync", "--dry-run"), ("verify", "--repair"):
        assert "another host is the table's host" in host.error(*words, code=NOT_HOST)
    assert [mirror.get("pm:marker") for mirror in mirrors] == markers
    # Nor one that was restarted, and does not know of the other host.
    mirrors[1].empty()
    for words in (), ("--mirror", mirrors[1].setting):
        assert "another host is the table's host" in host.error("sync", *words, code=NOT_HOST)
    assert not mirrors[1].has("pm:marker")


def test_promote_says_what_the_mirrors_have_and_this_host_has_not(make_tool, host, stores, mirrors):
    second = copy_of(make_tool, host, stores)
    host("set", "user", "u1", "backend=b2")
    host("set", "user", "u1", "host=10.0.0.1")
    host("delete", "user", "u2")
    said = second("promote", "--dry-run").stdout
    for mirror in mirrors:
        assert f"{mirror.setting}: at position " in said
    assert said.count("not in this table, and lost: 2 changed records of 3 positions (user u1, user u2)") == 2
    assert "dry run: nothing was changed" in said
    host("set", "user", "u3", "backend=b2")  # and indeed it was


def test_promote_says_when_the_journal_does_not_name_what_is_lost(make_tool, host, stores, mirrors):
    second = copy_of(make_tool, host, stores)
    host("set", "user", "u1", "backend=b2")
    for mirror in mirrors:
        assert mirror.delete("pm:log:2")
    assert "and lost: changes that its journal does not name, which may be any" in second("promote", "--dry-run").stdout


def test_promote_says_that_nothing_is_lost_or_that_nobody_can_tell(host, mirrors):
    mirrors[0].kill()
    mirrors[1].empty()
    done = host("promote", "--dry-run")
    assert f"{mirrors[1].setting}: empty: nothing is lost" in done.stdout
    assert f"{mirrors[0].setting}: " in done.stderr and "nobody can tell" in done.stderr
    mirrors[0].start()
    host("sync")
    assert host("promote", "--dry-run").stdout.count("nothing in it is lost") == 2


def test_promote_without_a_terminal_needs_a_yes(host):
    before = position(host)
    assert "there is no terminal to ask on" in host.error("promote", stdin="yes\n", code=64)
    assert position(host) == before


def on_a_terminal(tool, *words, answer, meanwhile=None):
    """Exit code and what is said, by somebody who types that answer."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(["doveadm", "-c", tool.dovecot.conf, "proxymap", words[0], "--config", tool.map.conf, *words[1:]],
                            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=sanitizer.environment())
    try:
        os.close(theirs)
        said = b""
        while not said.endswith(b"Type yes: "):
            byte = done.stdout.read(1)
            assert byte, said
            said += byte
        if meanwhile:
            meanwhile()
        os.write(ours, answer.encode() + b"\n")
        said += done.communicate(timeout=30)[0]
        return done.returncode, said.decode()
    finally:
        os.close(ours)
        done.kill()
        done.wait()


def test_promote_on_a_terminal_asks(host):
    before = position(host)
    code, said = on_a_terminal(host, "promote", answer="y")
    assert code == 65 and "nothing was changed" in said and position(host) == before
    code, said = on_a_terminal(host, "promote", answer="yes")
    assert code == 0 and "this host is the table's" in said
    assert position(host) == (before[0], before[1] + 1, before[2] + 1)


def test_promote_does_nothing_when_a_mirror_has_moved_since_it_asked(make_tool, host, stores):
    second = copy_of(make_tool, host, stores)
    code, said = on_a_terminal(second, "promote", answer="yes", meanwhile=lambda: host("set", "user", "u1", "backend=b2"))
    assert code == 75 and "run promote again" in said
    host("set", "user", "u2", "backend=b2")


def test_promote_refuses_a_mirror_of_another_table(make_tool, host, stores):
    other = make_tool("backend b1 host=10.0.0.1\n")
    other.map.write(stores=stores)
    before = position(other)
    assert "another table, which promote does not make this one" in other.error("promote", "--yes", code=65)
    assert position(other) == before


def test_promote_without_a_table_makes_none(make_tool, stores):
    tool = make_tool(stores=stores)
    assert "there is no table on this host" in tool.error("promote", "--yes", code=75)
    assert not os.path.exists(tool.map.settings["table"])


def test_promote_with_a_mirror_down_says_so_and_sync_brings_it_up(make_tool, host, stores, mirrors):
    second = copy_of(make_tool, host, stores)
    host("set", "user", "u1", "backend=b2")
    mirrors[1].freeze()
    assert "run doveadm proxymap sync" in second.error("promote", "--yes", code=75)
    mirrors[1].thaw()
    # It still has the old host's map, and whoever knows the new epoch does not read it.
    assert in_force(host, "u1") == "127.0.0.2"
    second("sync")
    assert mirrors[0].get("pm:marker") == mirrors[1].get("pm:marker")
    assert second.rows("verify")
