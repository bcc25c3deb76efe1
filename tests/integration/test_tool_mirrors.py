"""`doveadm proxymap` status, sync, verify: the table and its mirrors, side by side."""

import os

import pytest

from harness.hosts import mirrors, pair  # noqa: F401 (fixtures)

ROUTES = "backend b1 host=127.0.0.2\n" + "".join(f"user u{i} backend=b1\n" for i in range(500)) + 'user "o\'k é" backend=b1\n'


@pytest.fixture
def tool(make_tool, mirrors):
    return make_tool(ROUTES, stores=" ".join(mirror.setting for mirror in mirrors) + " lmdb")


def found(tool, mirror, *args, code):
    """What verify says of that mirror: finding → (count, which)."""
    return {row["finding"]: (row["count"], row["which"]) for row in tool.rows("verify", *args, code=code)
            if row["mirror"] == mirror.setting}


NOTHING = {"state": ("", "current"), "checked": ("502", ""), "missing": ("0", ""), "differs": ("0", ""),
           "badly sealed": ("0", ""), "unreadable": ("0", ""), "excess": ("0", "")}


# ---- status

def test_status_shows_table_and_mirrors(tool, mirrors):
    table, first, second = tool.rows("status")
    assert table["store"] == tool.map.settings["table"] and table["state"] == "table"
    assert table["items"] == "502" and table["journal"] == "1" and int(table["bytes"]) > 0
    for row, mirror in (first, mirrors[0]), (second, mirrors[1]):
        assert row["store"] == mirror.setting and row["state"] == "current"
        assert row["position"] == table["position"] and int(row["items"]) >= 502
        assert row["evictions"] == "0" and row["limit"] == str(64 << 20) and int(row["latency_us"]) < 5_000_000


def test_status_of_a_mirror_that_is_down_empty_or_behind(tool, mirrors):
    mirrors[0].kill()
    mirrors[1].empty()
    _, first, second = tool.rows("status", code=75)
    assert first["state"] == "down" and "refused" in first["why"]
    assert second["state"] == "empty" and second["position"] == "-"
    mirrors[0].start()
    tool("sync")
    old = mirrors[1].get("pm:marker")
    tool("set", "user", "x", "backend=b1")
    mirrors[1].set("pm:marker", old)
    assert [row["state"] for row in tool.rows("status", code=75)] == ["table", "current", "behind"]
    mirrors[1].set("pm:marker", "nonsense")
    assert [row["state"] for row in tool.rows("status", code=75)] == ["table", "current", "unreadable"]


# ---- sync

def test_sync_does_nothing_when_nothing_is_to_be_done(tool, mirrors):
    sets = [mirror.stats()["cmd_set"] for mirror in mirrors]
    assert tool("sync").stdout == "".join(f"{mirror.setting}: current\n" for mirror in mirrors)
    assert [mirror.stats()["cmd_set"] for mirror in mirrors] == sets


def test_sync_refills_an_empty_mirror(tool, mirrors):
    mirrors[0].restart()
    said = tool("sync").stdout
    assert f"{mirrors[0].setting}: 502 records sent" in said and f"{mirrors[1].setting}: current" in said
    assert found(tool, mirrors[0], code=0) == NOTHING


def test_sync_brings_up_a_mirror_that_missed_a_change(tool, mirrors):
    mirrors[0].freeze()
    assert "run doveadm proxymap sync" in tool.error("delete", "user", "u7", code=75)
    mirrors[0].thaw()
    assert mirrors[0].has("pm:user:u7") and not mirrors[1].has("pm:user:u7")
    tool("sync")
    assert not mirrors[0].has("pm:user:u7")


def test_sync_of_one_mirror_leaves_the_other(tool, mirrors):
    for mirror in mirrors:
        mirror.empty()
    tool("sync", "--mirror", mirrors[1].setting)
    assert not mirrors[0].has("pm:marker") and mirrors[1].has("pm:marker")
    assert "is no mirror of the setting stores" in tool.error("sync", "--mirror", "memcached:127.0.0.1:1", code=64)


def test_a_dry_sync_changes_nothing(tool, mirrors):
    mirrors[0].empty()
    assert "502 records" in tool("sync", "--dry-run").stdout
    assert not mirrors[0].has("pm:marker")


def quiet(tool, code=0):
    done = tool("sync", "--quiet", code=code)
    return done.stdout + done.stderr


def test_a_quiet_sync_says_what_it_did_and_nothing_else(tool, mirrors):
    assert quiet(tool) == ""
    mirrors[0].restart()
    assert quiet(tool) == f"{mirrors[0].setting}: 502 records sent (the whole table)\n"
    mirrors[0].kill()
    assert mirrors[0].setting in quiet(tool, code=75)


def test_the_timer_runs_a_quiet_sync():
    unit = os.path.join(os.path.dirname(__file__), "..", "..", "systemd", "proxymap-sync.service")
    with open(unit, encoding="ascii") as file:
        assert "ExecStart=/usr/bin/doveadm proxymap sync --quiet\n" in file.readlines()


def test_sync_without_a_table_makes_none(make_tool, mirrors):
    tool = make_tool(stores=mirrors[0].setting)
    assert "there is no table yet" in tool.error("sync", code=75)
    assert quiet(tool) == ""
    assert not os.path.exists(tool.map.settings["table"])


def test_a_first_import_that_failed_leaves_no_table_for_sync(make_tool, mirrors):
    tool = make_tool(stores=mirrors[0].setting)
    tool.error("import", "-", stdin="user john host=%{user}\n", code=65)
    for command in (("sync",), ("sync", "--dry-run"), ("verify",), ("status",), ("list",), ("export",), ("get", "user", "john")):
        assert "there is no table yet; doveadm proxymap import makes one" in tool.error(*command, code=75)
    assert "no such record" in tool.error("delete", "user", "john", code=67)
    assert "1 added" in tool("import", "--dry-run", "-", stdin="user john host=y.org\n").stdout
    assert quiet(tool) == "" and not mirrors[0].has("pm:marker")
    tool("import", "-", stdin="user john host=y.org\n")
    assert mirrors[0].has("pm:user:john")


def test_sync_names_the_mirror_that_is_down(tool, mirrors):
    mirrors[0].kill()
    assert mirrors[0].setting in tool.error("sync", code=75)


# ---- verify

def test_verify_of_equal_mirrors_finds_nothing(tool, mirrors):
    for mirror in mirrors:
        assert found(tool, mirror, code=0) == NOTHING


def damage(mirror):
    mirror.delete("pm:user:u1")
    mirror.set("pm:user:u2", mirror.get("pm:user:u2").replace(b"backend=b1", b"host=10.0.0.1"))
    mirror.set("pm:user:u3", "nonsense")
    mirror.set("pm:user:u4", mirror.get("pm:user:u5"))
    mirror.set("pm:user:u%C3%A9", mirror.get("pm:user:u5").replace(b"u5", "ué".encode()))
    mirror.set("other:key", "of somebody else")


def test_verify_finds_exactly_what_is_not_the_same(tool, mirrors):
    damage(mirrors[0])
    assert found(tool, mirrors[0], code=1) == NOTHING | {
        "missing": ("1", "user u1"), "differs": ("1", "user u2"), "unreadable": ("2", "user u3, user u4"), "excess": ("1", "user ué")}
    assert found(tool, mirrors[1], code=1) == NOTHING


def test_repair_makes_the_mirror_equal_again(tool, mirrors):
    damage(mirrors[0])
    assert found(tool, mirrors[0], "--repair", code=0)["missing"] == ("1", "user u1")
    assert found(tool, mirrors[0], code=0) == NOTHING
    assert mirrors[0].get("other:key") == b"of somebody else"


def test_verify_of_an_emptied_mirror_and_its_repair(tool, mirrors):
    mirrors[1].empty()
    assert found(tool, mirrors[1], code=1)["missing"][0] == "502"
    assert found(tool, mirrors[1], "--repair", code=0) == NOTHING


def test_verify_names_the_first_20(tool, mirrors):
    for i in range(30):
        mirrors[0].delete(f"pm:user:u{i}")
    count, which = found(tool, mirrors[0], code=1)["missing"]
    assert count == "30" and which.count("user u") == 20 and which.endswith(", ...")


def test_verify_says_where_a_server_does_not_list_its_keys(make_tool, make_memcached):
    mirror = make_memcached(extra=("-o", "no_lru_crawler"))
    tool = make_tool(ROUTES, stores=mirror.setting)
    count, why = found(tool, mirror, code=0)["excess"]
    assert count == "-" and "does not list its keys" in why


def test_verify_finds_what_is_badly_sealed(make_tool, mirrors):
    tool = make_tool(stores=mirrors[0].setting)
    key = os.path.join(tool.folder, "seal-keys")
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write("current = k1\nseal_key k1 {\n  key = MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n}\n")
    tool.map.write(seal_keys_file=key)
    tool("import", tool.write("routes", ROUTES))
    assert found(tool, mirrors[0], code=0) == NOTHING
    mirrors[0].set("pm:user:u1", mirrors[0].get("pm:user:u1").replace(b"backend=b1", b"host=evil.example"))
    mirrors[0].set("pm:user:u2", mirrors[0].get("pm:user:u2").partition(b" seal=")[0])
    assert found(tool, mirrors[0], code=1)["badly sealed"] == ("2", "user u1, user u2")
    tool("delete", "user", "u3")  # leaves a sealed tombstone, which is no excess
    assert found(tool, mirrors[0], "--repair", code=0)["excess"] == ("0", "")
    assert found(tool, mirrors[0], code=0)["badly sealed"] == ("0", "")


def test_verify_of_a_mirror_that_is_down_still_shows_the_others(tool, mirrors):
    mirrors[0].kill()
    assert found(tool, mirrors[1], code=75) == NOTHING
    assert found(tool, mirrors[0], code=75) == {}


def test_an_evicting_mirror_lacks_just_what_verify_says(make_tool, make_memcached):
    mirror = make_memcached(evict=True, megabytes=2)
    tool = make_tool(ROUTES, stores=mirror.setting)
    same = mirror.get("pm:user:u0")  # for a server evicts within one size alone
    for i in range(60_000):
        mirror.set(f"filler{i:04}", same)
        if i % 100 == 0 and not mirror.has("pm:user:u0"):
            break
    gone = [f"u{i}" for i in range(500) if not mirror.has(f"pm:user:u{i}")]
    count, _ = found(tool, mirror, code=1)["missing"]
    assert gone and int(count) >= len(gone)
