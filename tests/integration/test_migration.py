"""docs/migration: each guide from top to bottom, with what one had before running for real.

Logins are tried after each step: with the trial, after the switch and after the way back.
"""

import contextlib
import glob
import os
import shutil
import subprocess

import pytest

from harness import branch, clients, documents, mounts, sanitizer, walkthrough
from harness.backend import Backend, password_of
from harness.dovecot import Dovecot
from harness.process import Process, wait_until
from harness.slapd import Slapd

GUIDES = os.path.join(documents.ROOT, "docs", "migration")
ADDRESSES = {"b1": "192.168.0.1", "b2": "192.168.0.2"}
JOHN_AND_JOE = {"john": "john", "joe": "joe@example.com"}


@pytest.fixture(scope="module")
def mail_servers(workspace, tls):
    """The backends of the guides, on the port of IMAP."""
    with contextlib.ExitStack() as stack:
        for name, address in ADDRESSES.items():
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
            folder = os.path.join(workspace, f"mail-{name}")
            stack.enter_context(Backend(name, folder, address, tls, services=("imap",), ports={"imap": 143}))
        yield


class Machine:
    """An installed Dovecot with proxymap beside it, which no passdb block names yet."""

    def __init__(self, folder):
        self.proxy = Dovecot(branch.Spec("proxy", folder, ports={"imap": 143}), services=("imap",))
        self.walked = []

    def start(self):
        """With what the guide has written so far."""
        self.proxy.process = Process(["dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"],
                                     os.path.join(self.proxy.folder, "out"))
        self.proxy.process.wait_accepting([("127.0.0.1", 143), self.proxy.socket("auth-client")])

    def reached(self, user, password=None, port=143):
        """The backend that the login came to; else how it failed."""
        result = clients.login("imap", ("127.0.0.1", port), user, password or password_of(user))
        return result.marker or result.outcome

    def map_decides(self, user, password, seconds=15):
        """It does when a move of the user shows, within so many seconds."""
        home = wait_until(lambda: (there := self.reached(user, password)) in ADDRESSES and there, "there is a reload no more")
        away, = set(ADDRESSES) - {home}
        self.move(user, ADDRESSES[away])
        try:
            wait_until(lambda: self.reached(user, password) == away, "the map decides", seconds, 0.2)
            return True
        except AssertionError:
            return False
        finally:
            self.move(user, ADDRESSES[home])

    def move(self, user, backend):
        self.proxy.doveadm("proxymap", "move", user, "--to", backend)


@pytest.fixture
def machine(workspace, mail_servers):
    folder = os.path.join(workspace, "moving-in")
    with contextlib.ExitStack() as stack:
        for place in ("/run", "/etc/dovecot", "/var/lib"):
            stack.enter_context(mounts.over(place, os.path.join(folder, os.path.basename(place))))
        for path in ("/etc/dovecot/conf.d", "/var/lib/dovecot", "/run/lock", os.path.join(folder, "admin")):
            os.makedirs(path)
        made = Machine(folder)
        made.folder = os.path.join(folder, "admin")
        made.proxy.write_conf()
        with open(made.proxy.conf, "a", encoding="utf-8") as out:
            out.write("!include_try /etc/dovecot/conf.d/*.conf\n")
        shutil.move(made.proxy.conf, "/etc/dovecot/dovecot.conf")
        made.proxy.conf = "/etc/dovecot/dovecot.conf"
        with open(made.proxy.conf, encoding="utf-8") as file:
            text = file.read().replace("/etc/dovecot/conf.d/", "conf.d/")  # so that a copy includes its own
        with open(made.proxy.conf, "w", encoding="utf-8") as out:
            out.write(text)
        with open("/etc/dovecot/proxymap.conf.ext", "w", encoding="ascii"):
            pass
        shutil.copy(os.path.join(GUIDES, "routes.awk"), made.folder)
        try:
            yield made
        finally:
            made.proxy.stop()
            if os.path.exists("/run/dovecot-trial/master.pid"):
                subprocess.run(["doveadm", "-c", "trial/dovecot.conf", "stop"], cwd=made.folder, check=False)
        assert made.proxy.may_crash or not made.proxy.crashes()
    shutil.rmtree(folder)


def walk(machine, guide, users):
    """users: {name: the name by which its backend knows it}. Each reaches the same backend before, after and again."""
    homes = {}

    def all_reach():
        return {user: machine.reached(user, password_of(name)) for user, name in users.items()}

    def after(section):
        john = next(iter(users.items()))
        if section == "What you had":
            machine.start()
            homes.update(all_reach())
            assert set(homes.values()) == set(ADDRESSES)
        if section == "The switch":
            wait_until(lambda: all_reach() == homes, "all are where they were")
            assert machine.reached("nobody", "wrong") != "ok"
            assert machine.map_decides(john[0], password_of(john[1]))
        if section == "The way back":
            assert not machine.map_decides(john[0], password_of(john[1]), 4)
            wait_until(lambda: all_reach() == homes, "all are where they were")
        machine.walked.append(section)
    walkthrough.Walk(machine.folder, branch.installed(), sanitizer.environment(), after).run(
        os.path.join(GUIDES, f"{guide}.md"))
    assert {"What you had", "The switch", "The way back"} <= set(machine.walked)


def test_from_an_sql_table(machine):
    walk(machine, "from-sql", JOHN_AND_JOE)


def test_from_an_sql_table_with_passwords(machine):
    walk(machine, "from-sql-passwords", {f"{name}@example.org": f"{name}@example.org" for name in ("john", "joe")})


def test_from_a_passwd_file(machine):
    walk(machine, "from-passwd-file", JOHN_AND_JOE)


def test_from_ldap(machine):
    mail = {name: {"mailHost": host, "mailRoutingAddress": JOHN_AND_JOE[name]}
            for name, host in (("john", "192.168.0.1"), ("joe", "192.168.0.2"))}
    with Slapd(os.path.join(machine.folder, "slapd"), {name: "x" for name in mail}, mail, port=389):
        walk(machine, "from-ldap", JOHN_AND_JOE)


def test_from_lua(machine):
    walk(machine, "from-lua", {name: name for name in ("john", "joe", "ann@example.org")})


@pytest.mark.only_on("2.3", "2.4 has no passdb dict any more")
def test_from_a_dict(machine):
    redis = Process(["redis-server", "--bind", "127.0.0.1", "--port", "6379", "--save", ""],
                    os.path.join(machine.folder, "redis"))
    try:
        redis.wait_accepting([("127.0.0.1", 6379)])
        walk(machine, "from-dict", JOHN_AND_JOE)
    finally:
        redis.stop()


@pytest.mark.only_on("2.3", "2.4 has no director any more")
def test_from_director(machine):
    walk(machine, "from-director", {name: name for name in ("john", "joe", "ann", "bob")})


def test_from_2_3(machine):
    """On 2.3 what is converted is only shown; on 2.4 it is used."""
    def after(section):
        if section == "The switch":
            wait_until(lambda: [machine.reached("john"), machine.reached("joe", password_of("joe@example.com"))] == ["b1", "b2"],
                       "both are where they were")
            assert machine.map_decides("john", password_of("john"))
    machine.proxy.may_crash = True  # until there is a passdb
    machine.start()
    walkthrough.Walk(machine.folder, branch.installed(), sanitizer.environment(), after).run(
        os.path.join(GUIDES, "from-2.3.md"))


def test_each_guide_is_in_the_list_and_walked_here():
    with open(__file__, encoding="utf-8") as file:
        own = file.read()
    index = documents.read("docs/migration/README.md")
    for path in glob.glob(os.path.join(GUIDES, "from-*.md")):
        name = os.path.basename(path)
        assert f"]({name})" in index
        assert name == "from-2.3.md" or f'walk(machine, "{name[:-3]}"' in own
