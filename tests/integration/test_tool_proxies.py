"""What `doveadm proxymap status` says of the fleet's proxies, by the reports that the mirrors hold."""

import os
import time

import pytest

from harness.reports import forget, position, report

ROUTES = "backend b1 host=127.0.0.2\nuser john backend=b1\n"


@pytest.fixture(scope="module")
def pair(make_memcached):
    return make_memcached(), make_memcached(unix=True)


@pytest.fixture
def mirrors(pair):
    for mirror in pair:
        mirror.empty()
    return pair


@pytest.fixture
def tool(make_tool, mirrors):
    return make_tool(ROUTES, stores=" ".join(mirror.setting for mirror in mirrors), proxies="p1 p2=127.0.0.1:1")


def proxies(tool, code):
    return [row for row in tool.rows("status", code=code) if row["store"].startswith("proxy:")]


def test_a_proxy_is_silent_until_it_reports(tool, mirrors):
    first, second = proxies(tool, code=75)
    assert (first["store"], first["state"], first["position"], first["age"]) == ("proxy:p1", "silent", "-", "-")
    assert second["why"] == "no mirror has a report of it"
    for name in "p1", "p2":
        report(mirrors[0], name, position(mirrors[0]))
    table, *_ = tool.rows("status")
    for row in proxies(tool, code=0):
        assert row["state"] == "current" and row["position"] == table["position"] and row["behind"] == "0"
        assert int(row["age"]) < 60


def test_the_newest_report_of_all_mirrors_counts(tool, mirrors):
    old = position(mirrors[0])
    report(mirrors[0], "p1", old)
    report(mirrors[0], "p2", old, at=int(time.time()) - 3600)
    tool("set", "user", "jane", "backend=b1")
    tool("set", "user", "jim", "backend=b1")
    report(mirrors[1], "p1", position(mirrors[1]))
    first, second = proxies(tool, code=75)
    assert (first["state"], first["behind"]) == ("current", "0")
    assert (second["state"], second["behind"]) == ("behind", "2") and int(second["age"]) >= 3600


def test_a_report_of_another_table_or_of_anything_else_is_not_believed(tool, mirrors):
    table, epoch, sequence = position(mirrors[0])
    report(mirrors[0], "p1", ("0" * 15 + "1", epoch, sequence + 1))
    mirrors[0].set("pm:proxy:p2", "v1 host=x")
    first, second = proxies(tool, code=75)
    assert first["state"] == second["state"] == "silent"
    assert "of another table" in first["why"] and "pm:proxy:p2: it is no proxy's report" in second["why"]
    report(mirrors[0], "p1", (table, epoch, sequence + 1))
    assert proxies(tool, code=75)[0]["state"] == "newer"


def test_with_seal_keys_only_a_sealed_report_is_believed(tool, mirrors):
    keys = tool.write("keys", "current = k1\nseal_key k1 {\n  key = " + "k" * 44 + "\n}\n")
    os.chmod(keys, 0o600)
    tool.map.write(seal_keys_file=keys)
    report(mirrors[0], "p1", position(mirrors[0]))
    assert "the report has no seal" in proxies(tool, code=75)[0]["why"]


def test_every_format_shows_them(tool, mirrors):
    report(mirrors[0], "p1", position(mirrors[0]))
    forget(mirrors[0], "p2")
    for form in "table", "tab", "flow", "json":
        done = tool.dovecot.doveadm("-f", form, "proxymap", "status", "--config", tool.map.conf, check=False)
        assert done.returncode == 75 and "proxy:p1" in done.stdout and "silent" in done.stdout, (form, done)
