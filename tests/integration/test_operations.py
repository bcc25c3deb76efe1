"""docs/OPERATIONS.md: its commands are run, and what it says of metrics, memcached and log lines is looked at."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest

from harness import authority, branch, clients, documents, ports, sanitizer, walkthrough
from harness.backend import password_of
from harness.fakebackend import FakeBackend
from harness.memcached import Memcached
from harness.process import Process, wait_until

GUIDE = os.path.join(documents.ROOT, "docs", "OPERATIONS.md")

SECTIONS = """
source_pool out {
  addresses = 127.0.2.2
}
source_pool v6 {
  addresses = ::1
}
tls_policy strict {
  ca_file = %s
}
"""


def conf(path):
    """The file that the guide shows, without the line with its path."""
    block, = (block for block in walkthrough.blocks(GUIDE)
              if block.kind == "conf" and block.branch in (None, branch.installed()) and block.path == path)
    return "".join(line + "\n" for line in block.lines[1:])


@pytest.fixture(scope="module")
def site(make_site, make_map, make_memcached, workspace):
    """A proxy with the metrics of the guide, on a port of the test."""
    ours = authority.Authority(os.path.join(workspace, "operations-ca"), "operations ca")
    pmap = make_map(stores=f"{make_memcached().setting} lmdb")
    pmap.sections = SECTIONS % ours.ca
    pmap.write()
    port = ports.free_port()
    # As it stands, in the words of this branch: not what make_site's `extra` is, which is translated.
    metrics = conf("/etc/dovecot/conf.d/95-metrics.conf").replace("port = 9900", f"port = {port}")
    folder = os.path.join(workspace, "operations")
    os.makedirs(folder)
    with open(os.path.join(folder, "95-metrics.conf"), "w", encoding="ascii") as out:
        out.write(metrics)
    with FakeBackend("127.0.0.60", tls=ours.issue("good", ["127.0.0.60"]), at_once=True) as good, \
            FakeBackend("127.0.0.60", tls=ours.issue("bad", names=["else.test"]), at_once=True) as bad:
        made = make_site("user john backend=b1\nuser out backend=b1 source=out\nuser v6 backend=b1 source=v6\n" + "".join(
            f"user {name} host={fake.host} port={fake.port} tls=ssl tls_policy=strict\n"
            for name, fake in (("good", good), ("bad", bad))), pmap=pmap, services=("imap",), service_count=0,
            extra=f"!include {folder}/95-metrics.conf\n")
        made.metrics_port, made.folder = port, folder
        yield made


def page(site):
    with urllib.request.urlopen(f"http://127.0.0.1:{site.metrics_port}/metrics", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def counted(site):
    """What the listener says when each kind of event has come."""
    for user in ("john", "john", "out", "v6", "unknown"):
        site.login("imap", user)
    for user in ("good", "good", "bad"):
        clients.login("imap", site.proxy.address("imap"), user, "secret")
    wanted = ("lookups", "lookup_times", "handshakes", "sources", "refused")
    return wait_until(lambda: all(f"dovecot_proxymap_{name}" in page(site) for name in wanted) and page(site),
                      "all metrics", pause=0.2)


def test_the_commands_work(site):
    """`doveadm` is this proxy's, and the port that of this test."""
    tools = os.path.join(site.folder, "bin")
    os.makedirs(tools)
    for name in ("doveadm", "doveconf", "curl"):
        real = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        with open(os.path.join(tools, name), "w", encoding="ascii") as out:
            own = '"${@//:9900/:%d}"' % site.metrics_port if name == "curl" else f'-c {site.proxy.conf} "$@"'
            out.write(f"#!/bin/bash\nexec {real} {own}\n")
        os.chmod(os.path.join(tools, name), 0o755)
    site.login("imap", "john")
    if branch.installed() == "2.3":
        site.proxy.doveadm("proxymap", "sync", "--config", site.proxymap.conf)
    environment = dict(sanitizer.environment() or os.environ, PATH=f"{tools}:{os.environ['PATH']}")
    walkthrough.Walk(site.folder, branch.installed(), environment).run_commands(GUIDE)


def series_of(text):
    """Names of metrics with their labels in a query or a page: {(name, label), …}; label "" for the name alone."""
    found = set()
    for name, labels in re.findall(r"(dovecot_proxymap_\w+)(\{[^}]*\})?", text):
        found.add((name, ""))
        found |= {(name, label) for label in re.findall(r"(\w+)=~?\"", labels)}
    return found


def test_the_dashboard_asks_for_what_the_listener_says(counted):
    dashboard = json.loads(documents.read("docs/grafana-dashboard.json"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) >= 8
    said = series_of(counted)
    for query in queries:
        asked = series_of(query)
        assert asked, query
        assert asked <= said, (query, asked - said)
        for label in re.findall(r"by \(([^)]*)\)", query):
            names = {name for name, _ in asked}
            assert all(any((name, each.strip()) in said for name in names) for each in label.split(",")), query


def test_all_that_the_guide_names_is_counted(counted):
    assert series_of(documents.read("docs/OPERATIONS.md")) <= series_of(counted)


def test_fail2ban_would_find_the_client_of_a_wrong_password(site):
    regex = re.search(r"failregex = (.*)", documents.read("docs/OPERATIONS.md"))[1].replace("<HOST>", r"(?P<host>\S+)")
    mark = site.proxy.mark()
    assert clients.login("imap", site.proxy.address("imap"), "john", "wrong", source="127.0.0.9").outcome == "auth_failed"
    found = wait_until(lambda: site.proxy.grep(regex, mark), "the line")
    assert {re.search(regex, line)["host"] for line in found} == {"127.0.0.9"}
    mark = site.proxy.mark()
    assert clients.login("imap", site.proxy.address("imap"), "john", password_of("john"), source="127.0.0.9").outcome == "ok"
    assert not site.proxy.grep(regex, mark)


def test_memcached_starts_with_the_options_shown_and_comes_back_warm(workspace):
    folder = os.path.join(workspace, "operations-memcached")
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    port = ports.free_port()
    # A file of 512 MB takes its time where it is not in memory.
    place = {"11211": str(port), "/dev/shm/memcached-map": os.path.join(folder, "map"), "512": "40"}
    options = [place.get(word, word) for word in conf("/etc/memcached.conf").split()]
    ended_by, = re.findall(r"KillSignal=(\w+)", conf("/etc/systemd/system/memcached.service.d/warm.conf"))
    client = Memcached.__new__(Memcached)
    client.address = ("127.0.0.1", port)

    def start():
        server = Process(["memcached", *options], os.path.join(folder, "out"))
        server.wait_accepting([client.address])
        return server
    server = start()
    try:
        settings = client.stats("settings")
        assert (settings["evictions"], settings["maxbytes"], settings["maxconns"]) == ("off", str(40 << 20), "4096")
        client.set("pm:marker", "warm")
        server.stop(getattr(signal, ended_by))
        ended = time.time()
        wait_until(lambda: time.time() > ended + 1.1, "the next second")
        server = start()
        assert client.get("pm:marker") == b"warm"
    finally:
        server.stop()


def test_a_capability_is_taken_away_as_shown(site):
    take_away = {"2.3": "imap_capability = -NOTIFY\n", "2.4": "imap_capability {\n  NOTIFY = no\n}\n"}
    assert all(text.split("\n")[0] in documents.read("docs/OPERATIONS.md") for text in take_away.values())
    path = os.path.join(site.folder, "capability.conf")
    with open(site.proxy.conf, encoding="utf-8") as file, open(path, "w", encoding="utf-8") as out:
        out.write(file.read() + take_away[branch.installed()])
    done = subprocess.run(["doveconf", "-c", path, "imap_capability"], capture_output=True, text=True, check=True)
    assert "NOTIFY" in done.stdout and done.stderr == ""


def test_the_table_of_source_ports_adds_up():
    """Two thirds of the ports of an address are planned with; with the library, of each address and backend."""
    guide = documents.read("docs/OPERATIONS.md")
    ports_of_one = int(re.search(r"between its two numbers: ([\d,]+) by default", guide)[1].replace(",", "")) * 2 / 3
    rows = re.findall(r"(?m)^\| ([\d,]+) \| (\d+)(?: address)? \| (.*) \|$", guide)
    assert len(rows) == 4
    for connections, plain, with_library in rows:
        needed = int(connections.replace(",", "")) / ports_of_one
        assert needed <= int(plain) < needed + 1
        for addresses, backends in re.findall(r"(\d+),? with (\d+)", with_library):
            assert needed <= int(addresses) * int(backends)
