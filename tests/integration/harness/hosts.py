"""The hosts of one map: the table's, those that follow it, and one that takes itself for the table's. Fixtures."""

import os
import re
import shutil

import pytest

from . import sanitizer
from .process import Process

ROUTES = "backend b1 host=127.0.0.2\nbackend b2 host=127.0.0.3\n" + "".join(f"user u{i} backend=b1\n" for i in range(20))
NOT_HOST, NEEDS_EXPORT = 77, 66


@pytest.fixture(scope="module")
def pair(make_memcached):
    return make_memcached(), make_memcached(unix=True)


@pytest.fixture
def mirrors(pair):
    """Two that run and are empty."""
    for mirror in pair:
        if not mirror.process.alive():
            mirror.start()
        mirror.empty()
    return pair


@pytest.fixture
def stores(mirrors):
    return " ".join(mirror.setting for mirror in mirrors)


@pytest.fixture
def host(make_tool, stores):
    """The table's host."""
    return make_tool(ROUTES, stores=stores)


@pytest.fixture
def make_follower(make_tool, host, stores):
    """Another host, whose replica is that of now."""
    def make(**settings):
        tool = make_tool(**{"stores": stores, **settings})
        tool("follow", "--init", tool.write("export", host.export("--positions")))
        return tool
    return make


@pytest.fixture
def follower(make_follower):
    return make_follower()


@pytest.fixture
def start(request):
    """start(tool, *words): that command as a process that goes on; what it has printed is .said()."""
    processes = []

    def begin(tool, *words, formatter=()):
        output = os.path.join(tool.folder, f"process{len(processes)}.out")
        process = Process(["doveadm", "-c", tool.dovecot.conf, *formatter, "proxymap", words[0], "--config", tool.map.conf,
                           *words[1:]], output, env=sanitizer.environment())

        def said():
            with open(output, encoding="utf-8") as out:
                return out.read()
        process.said = said
        processes.append(process)
        return process
    yield begin
    for process in processes:
        process.stop()


def position(tool):
    """Of its LMDB, as (table, epoch, sequence)."""
    said = re.match(r"# proxymap replica at ([0-9a-f]+)\.(\d+)\.(\d+)\n", tool.export("--positions"))
    return said[1], int(said[2]), int(said[3])


def in_force(tool, user):
    """What a proxy with the settings of that host is told, from the mirrors alone."""
    rows = tool.rows("lookup", user)
    return next(row["value"] for row in rows if row["step"] == "told" and row["what"] == "host")


def same_map(one, other):
    return one.export("--positions") == other.export("--positions")


def copy_of(make_tool, host, stores):
    """A host with a backup of the table, say: it takes itself for the table's host."""
    tool = make_tool(stores=stores)
    shutil.copytree(host.map.settings["table"], tool.map.settings["table"])
    return tool
