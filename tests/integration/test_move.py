"""`doveadm proxymap move`: users to another backend, and never on two at once. Two proxies, with sessions on both."""

import contextlib
import imaplib
import itertools
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from harness import branch, ports, sanitizer
from harness.authclient import AuthClient
from harness.backend import password_of
from harness.process import state_of, wait_until
from harness.reports import forget, position, report
from harness.residents import ResidentBackend, Residents

NAMES = ("p1", "p2")
SECRET = "doveadm-secret"
_numbers = itertools.count(1)


def doveadm_listener(port, password=SECRET):
    return (f"doveadm_password = {password}\nservice doveadm {{\n  inet_listener doveadm {{\n    address = 127.0.0.1\n"
            f"    port = {port}\n  }}\n}}\n")


class Fleet:
    """Two proxies of one map, and two backends, a and b, that know who is on them."""

    def __init__(self, make_site, make_map, make_memcached):
        self.residents = Residents()
        self.a = ResidentBackend("a", "127.0.0.70", self.residents)
        self.b = ResidentBackend("b", "127.0.0.71", self.residents)
        self.mirror = make_memcached()
        self.ports = [ports.free_port() for _ in NAMES]
        self.pmap = make_map(stores=self.mirror.setting, proxy_name=NAMES[0], proxies=self.proxies())
        other = make_map(stores=self.mirror.setting, proxy_name=NAMES[1], table=self.pmap.settings["table"])
        self.sites = [make_site(pmap=pmap, services=("imap",), start=False, extra=doveadm_listener(port))
                      for pmap, port in zip((self.pmap, other), self.ports)]
        self.pmap.load(self.sites[0].proxy, self.a.record() + self.b.record() + "user first backend=a\n")
        for site in self.sites:
            site.proxy.start()
        self.clients = []

    def proxies(self, *changed):
        return " ".join([f"{name}=127.0.0.1:{port}" for name, port in zip(NAMES, self.ports)][:len(NAMES) - len(changed)]
                        + list(changed))

    def user(self, fields="backend=a", name=None):
        """A new one; its name."""
        name = name or f"u{next(_numbers)}"
        self.tool("set", "--", "user", name, *fields.split(" "))
        return name

    def tool(self, *args, code=0):
        done = self.pmap.run(self.sites[0].proxy, *args, check=False)
        assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def move(self, *args, code=0, settle="1", timeout="15"):
        return self.tool("move", "--kick", "--settle", settle, "--timeout", timeout, *args, code=code)

    def fields(self, user):
        done = self.sites[0].proxy.doveadm("-f", "json", "proxymap", "get", "--config", self.pmap.conf, "user", user,
                                           check=False)
        return json.loads(done.stdout)[0]["fields"] if done.returncode == 0 else None

    def login(self, user, proxy=0):
        """A session that stays."""
        client = imaplib.IMAP4(*self.sites[proxy].proxy.address("imap"))
        self.clients.append(client)
        client.login(user, password_of(user))
        return client

    def on(self, user, *backends):
        wait_until(lambda: self.residents.of(user) == sorted(backends), f"{user} is on {backends}")

    def close(self):
        for client in self.clients:
            client.shutdown()
        for backend in self.a, self.b:
            backend.__exit__()


@pytest.fixture(scope="module")
def fleet(make_site, make_map, make_memcached):
    made = Fleet(make_site, make_map, make_memcached)
    yield made
    made.close()
    assert not made.residents.both, "users on two backends at once"


@contextlib.contextmanager
def frozen(fleet, *names):
    """The auth processes of these proxies stand still, and so does what they report."""
    pids = []
    for name in names:
        proxy = fleet.sites[NAMES.index(name)].proxy
        AuthClient(proxy.socket("auth-client")).close()  # so that there is one
        pids += proxy.child_pids("auth")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(state_of(pid) == "T" for pid in pids), "they stand still")
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# ---- without --kick

def test_a_move_is_one_write_that_changes_the_backend_alone(fleet):
    user = fleet.user("backend=a destuser=x port=1143")
    said = fleet.tool("move", user, "--to", "b").stdout
    assert "1 user moved to b" in said and "in force on every proxy: p1 p2" in said
    assert fleet.fields(user) == "backend=b destuser=x port=1143"
    assert f"{user} is on b already" in fleet.tool("move", user, "--to", "b").stdout


def test_it_says_where_it_is_not_in_force(fleet):
    user = fleet.user()
    with frozen(fleet, *NAMES):
        report(fleet.mirror, "p1", position(fleet.mirror))
        forget(fleet.mirror, "p2")
        said = fleet.tool("move", "--timeout", "0", user, "--to", "b", code=75)
    assert "p1: not in force there: it has followed up to position" in said.stderr
    assert "p2: not in force there: no mirror has a report of it" in said.stderr
    assert fleet.fields(user) == "backend=b"


def test_all_users_of_a_backend_are_moved_and_no_others(fleet):
    fleet.tool("backend", "add", "c", f"host={fleet.a.host}", f"port={fleet.a.port}")
    ones = [fleet.user("backend=c"), fleet.user("backend=b backend.pop3=c")]
    other = fleet.user("backend=a")
    fleet.tool("set", "domain", "c.example", "backend=c")
    said = fleet.tool("move", "--backend", "c", "--to", "b").stdout
    assert "2 users moved to b" in said and "named by domain c.example too" in said
    assert [fleet.fields(one) for one in ones] == ["backend=b", "backend=b backend.pop3=b"]
    assert fleet.fields(other) == "backend=a"
    assert "0 users moved" in fleet.tool("move", "--backend", "c", "--to", "b").stdout


def test_a_user_without_a_record_gets_the_fields_that_decided(fleet):
    fleet.tool("set", "domain", "d.example", "backend=a", "destuser=%{username}")
    said = fleet.tool("move", "x@d.example", "--to", "b").stdout
    assert "x@d.example has no record of its own: it gets one, with the fields of domain d.example" in said
    assert fleet.fields("x@d.example") == "backend=b destuser=%{username}"


@pytest.mark.parametrize("args, code, why", [
    (("nobody", "--to", "b"), 67, "nobody: there is no record of it"),
    (("first", "--to", "nowhere"), 65, 'backend "nowhere" is not in the table'),
    (("first",), 64, "needs --to"),
    (("--to", "b"), 64, "needs either users or --backend"),
    (("--backend", "a", "--to", "b", "first"), 64, "needs either users or --backend"),
    (("--backend", "a", "--to", "a"), 64, "the same backend"),
    (("--settle", "1", "--to", "b", "first"), 64, "--settle goes with --kick"),
    (("--timeout", "x", "--to", "b", "first"), 64, "--timeout: "),
])
def test_what_cannot_be_moved_is_refused(fleet, args, code, why):
    assert why in fleet.tool("move", *args, code=code).stderr
    assert fleet.fields("first") == "backend=a"


def test_a_user_whose_record_names_a_host_is_refused_and_all_others_with_it(fleet):
    user, plain = fleet.user("host=127.0.0.9"), fleet.user()
    for kick in (), ("--kick",):
        said = fleet.tool("move", *kick, plain, user, "--to", "b", code=65)
        assert f"user {user}: the record names a host of its own" in said.stderr
        assert fleet.fields(plain) == "backend=a"


def test_a_dry_run_changes_nothing(fleet):
    user = fleet.user()
    before = position(fleet.mirror)
    for args in (), ("--kick",), ("--hold-only",):
        assert "dry run" in fleet.tool("move", "--dry-run", *args, user, "--to", "b").stdout
    assert fleet.fields(user) == "backend=a" and position(fleet.mirror) == before


# ---- with --kick

def test_sessions_end_on_all_proxies_and_the_next_login_is_on_the_new_backend(fleet):
    user, other = fleet.user(), fleet.user()
    for proxy in 0, 1, 1:
        fleet.login(user, proxy)
    fleet.login(other, 1)
    fleet.on(user, "a", "a", "a")
    said = fleet.move(user, "--to", "b").stdout
    assert "p1: 1 session ended" in said and "p2: 2 sessions ended" in said
    fleet.on(user)
    fleet.on(other, "a")
    assert fleet.fields(user) == "backend=b"
    fleet.login(user, 1)
    fleet.on(user, "b")


def test_a_user_on_hold_gets_a_temporary_failure(fleet):
    user = fleet.user()
    fleet.login(user)
    fleet.move("--hold-only", user)
    assert fleet.fields(user) == "backend=a state=hold"
    fleet.on(user)
    for proxy in 0, 1:
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
            fleet.login(user, proxy)
    fleet.tool("move", user, "--to", "b")
    assert fleet.fields(user) == "backend=b"


def test_a_login_that_was_on_its_way_is_ended_when_it_arrives(fleet):
    """Its login process lists no session before it is through; so it is looked for until --settle is over."""
    user = fleet.user()
    fleet.login(user, 1)
    fleet.on(user, "a")
    with fleet.a.shut():
        late = threading.Thread(target=lambda: fleet.login(user), daemon=True)
        late.start()
        fleet.a.wait_for_knock(user, times=2)
        moving = threading.Thread(target=lambda: fleet.move(user, "--to", "b", settle="6"), daemon=True)
        moving.start()
        fleet.on(user)
        kicked = time.monotonic()
        wait_until(lambda: time.monotonic() > kicked + 2, "two seconds have gone in which nobody is seen")
        assert fleet.fields(user) == "backend=a state=hold"
    wait_until(lambda: fleet.residents.visits(user) == ["a", "a"], "the late one is through")
    fleet.on(user)
    moving.join(30)
    assert fleet.fields(user) == "backend=b"
    fleet.login(user)
    fleet.on(user, "b")


def test_a_backend_is_emptied(fleet):
    fleet.tool("backend", "add", "d", f"host={fleet.a.host}", f"port={fleet.a.port}")
    users = [fleet.user("backend=d") for _ in range(5)]
    for number, user in enumerate(users):
        fleet.login(user, number % 2)
    said = fleet.move("--backend", "d", "--to", "b").stdout
    assert "5 users on hold" in said and "5 users moved to b" in said
    assert "p1: 3 sessions ended" in said and "p2: 2 sessions ended" in said, said
    for user in users:
        fleet.on(user)


def test_more_users_than_can_be_named_to_the_proxies_are_not_moved_at_once(fleet):
    """Else a proxy that is told of no names could go by an old route when all stores fail later."""
    fleet.tool("backend", "add", "many", f"host={fleet.a.host}", f"port={fleet.a.port}")
    path = os.path.join(fleet.pmap.folder, "many")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"user many{i} backend=many\n" for i in range(10_001))
    fleet.tool("import", path)
    before = position(fleet.mirror)
    said = fleet.move("--backend", "many", "--to", "b", code=65).stderr
    assert "10001 users at once are too many for --kick, nothing was changed" in said
    assert position(fleet.mirror) == before
    fleet.tool("delete", "user", "many0")
    fleet.move("--hold-only", "--backend", "many")
    assert fleet.fields("many10000") == "backend=many state=hold"
    assert b"reset" not in fleet.mirror.get(f"pm:log:{position(fleet.mirror)[2]}")


def test_names_that_look_like_options_or_are_written_otherwise(fleet):
    users = [fleet.user(name="-x"), fleet.user(name="--kick"), fleet.user(name="Big")]
    for user in users:
        fleet.login(user)
        fleet.on(user.lower(), "a")
    fleet.move("--to", "b", "--", *users)
    for user in users:
        fleet.on(user.lower())


# ---- when something is out of reach

def test_where_the_hold_is_not_in_force_nobody_is_kicked_and_the_old_route_is_back(fleet):
    user = fleet.user("backend=a destuser=%{user}")
    fleet.login(user)
    fleet.on(user, "a")
    with frozen(fleet, "p2"):
        said = fleet.move(user, "--to", "b", code=75, timeout="4")
    assert "p2: not in force there: it has followed up to position" in said.stderr
    assert "1 user put back where they were" in said.stdout and "in force on every proxy" not in said.stdout
    assert fleet.fields(user) == "backend=a destuser=%{user}"
    fleet.on(user, "a")
    fleet.login(user, 1)


def test_a_record_that_was_made_for_a_move_goes_with_it(fleet):
    fleet.tool("set", "domain", "e.example", "backend=a")
    with frozen(fleet, "p1"):
        fleet.move("x@e.example", "--to", "b", code=75, timeout="0")
    assert fleet.fields("x@e.example") is None


def test_a_proxy_that_is_out_of_reach_at_first_is_named_and_nothing_is_begun(fleet):
    user = fleet.user()
    before = position(fleet.mirror)
    fleet.pmap.write(proxies=fleet.proxies("p2=127.0.0.1:1"))
    try:
        said = fleet.move(user, "--to", "b", code=75)
    finally:
        fleet.pmap.write(proxies=fleet.proxies())
    assert "p2: its sessions cannot be seen: connecting: Connection refused" in said.stderr
    assert position(fleet.mirror) == before


def test_an_address_that_is_another_hosts_is_noticed(fleet):
    user = fleet.user()
    with frozen(fleet, "p1"):
        report(fleet.mirror, "p1", position(fleet.mirror), host="elsewhere")
        said = fleet.move(user, "--to", "b", code=75)
    assert "p1: it reports from host elsewhere, but its address in the setting proxies is that of host " in said.stderr
    assert fleet.fields(user) == "backend=a"
    AuthClient(fleet.sites[0].proxy.socket("auth-client")).close()  # so that there is an auth process
    wait_until(lambda: b"elsewhere" not in fleet.mirror.get("pm:proxy:p1"), "p1 reports for itself again")


def test_with_another_password_nothing_is_begun(fleet):
    user = fleet.user()
    proxy = fleet.sites[1].proxy
    proxy.spec.extra = doveadm_listener(fleet.ports[1], "another")
    proxy.reload()
    try:
        said = fleet.move(user, "--to", "b", code=75)
        assert "p2: its sessions cannot be seen: it refuses doveadm_password" in said.stderr
        assert fleet.fields(user) == "backend=a"
    finally:
        proxy.spec.extra = doveadm_listener(fleet.ports[1])
        proxy.reload()


def test_a_proxy_that_goes_down_meanwhile_leaves_the_users_on_hold_and_a_second_run_goes_on(fleet):
    user = fleet.user()
    fleet.login(user, 1)
    fleet.on(user, "a")
    said = []
    moving = threading.Thread(target=lambda: said.append(fleet.move(user, "--to", "b", code=69, timeout="5", settle="30")),
                              daemon=True)
    moving.start()
    wait_until(lambda: fleet.residents.of(user) == [], "its session is ended")
    proxy = fleet.sites[1].proxy
    proxy.stop()
    try:
        wait_until(lambda: said, "the move gives up", seconds=30)
    finally:
        proxy.start()
    assert "p2: connecting: Connection refused" in said[0].stderr and "stay on hold: run the same" in said[0].stderr
    assert fleet.fields(user) == "backend=a state=hold"
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        fleet.login(user)
    fleet.move(user, "--to", "b")
    assert fleet.fields(user) == "backend=b"


def test_a_command_that_is_killed_leaves_the_users_on_hold_and_a_second_run_goes_on(fleet):
    user = fleet.user()
    fleet.login(user)
    fleet.on(user, "a")
    proxy = fleet.sites[0].proxy
    with subprocess.Popen(["doveadm", "-c", proxy.conf, "proxymap", "move", "--config", fleet.pmap.conf, "--kick", user,
                           "--to", "b"], env=sanitizer.environment(), stdout=subprocess.DEVNULL) as moving:
        fleet.on(user)
        moving.kill()
    assert fleet.fields(user) == "backend=a state=hold"
    with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
        fleet.login(user, 1)
    fleet.move(user, "--to", "b")
    fleet.login(user, 1)
    fleet.on(user, "b")


def test_a_second_run_that_fails_leaves_on_hold_what_it_found_so(fleet):
    held, plain = fleet.user("backend=a state=hold"), fleet.user()
    with frozen(fleet, "p1"):
        fleet.move(held, plain, "--to", "b", code=75, timeout="0")
    assert fleet.fields(held) == "backend=a state=hold" and fleet.fields(plain) == "backend=a"


def test_without_the_proxies_nobody_is_kicked(fleet):
    user = fleet.user()
    fleet.pmap.write(proxies="")
    try:
        assert "needs the setting proxies" in fleet.move(user, "--to", "b", code=78).stderr
    finally:
        fleet.pmap.write(proxies=fleet.proxies())
    assert fleet.fields(user) == "backend=a"


# ---- sessions

def test_sessions_shows_who_is_proxied_to_where(fleet):
    user = fleet.user()
    fleet.login(user)
    proxy = fleet.sites[0].proxy
    row, = json.loads(proxy.doveadm("-f", "json", "proxymap", "sessions", user).stdout)
    assert row == {"user": user, "service": "imap", "client": "127.0.0.1", "backend": fleet.a.host,
                   "port": branch.session_port(fleet.a.port)}
    assert user in proxy.doveadm("proxymap", "sessions").stdout
    assert user not in fleet.sites[1].proxy.doveadm("proxymap", "sessions").stdout
    assert user not in proxy.doveadm("proxymap", "sessions", "--kick", user).stdout
    fleet.on(user)


@pytest.mark.only_on("2.4", "each login process is asked by itself; on 2.3 the ipc service asks them")
def test_a_login_process_that_does_not_answer_is_an_error_and_nobody_else_is_ended(fleet):
    user, other = fleet.user(), fleet.user()
    for one in user, other:
        fleet.login(one)
        fleet.on(one, "a")
    proxy = fleet.sites[0].proxy
    stuck = proxy.child_pids("imap-login")[0]
    os.kill(stuck, signal.SIGSTOP)
    try:
        done = proxy.doveadm("proxymap", "sessions", "--kick", "nobody", check=False)
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert done.returncode == 75 and f"the login process {stuck} cannot be asked: no answer" in done.stderr
    assert user not in proxy.doveadm("proxymap", "sessions", "--kick", user).stdout
    fleet.on(user)
    fleet.on(other, "a")


@pytest.fixture
def crashing_fleet(make_site, make_map, make_memcached):
    with contextlib.closing(Fleet(make_site, make_map, make_memcached)) as made:
        made.sites[0].proxy.may_crash = True
        yield made
    assert not made.residents.both


@pytest.mark.only_on("2.4", "anvil lists sessions; on 2.3 each login process does")
def test_an_anvil_that_came_back_is_not_believed_before_the_sessions_it_does_not_know_are_over(crashing_fleet):
    """Else a user would be moved whose session goes on at the old backend."""
    fleet = crashing_fleet
    proxy = fleet.sites[0].proxy
    user, late = fleet.user(), fleet.user()
    fleet.login(user)
    fleet.on(user, "a")
    anvil, = proxy.child_pids("anvil")
    os.kill(anvil, signal.SIGKILL)
    wait_until(lambda: proxy.child_pids("anvil") not in ([], [anvil]), "anvil is back")
    fleet.login(late)
    for users in (), (late,):
        done = proxy.doveadm("proxymap", "sessions", *users, check=False)
        assert done.returncode == 75 and "is older than anvil, which has died and come back" in done.stderr
    said = fleet.move(user, "--to", "b", code=75).stderr
    assert "p1: its sessions cannot be seen: " in said and "nothing was changed: " in said
    fleet.on(user, "a")
    assert fleet.fields(user) == "backend=a"

    fleet.clients.pop(0).shutdown()
    wait_until(lambda: proxy.doveadm("proxymap", "sessions", check=False).returncode == 0, "that login process has ended")
    assert late in proxy.doveadm("proxymap", "sessions", late).stdout
    assert "p1: 1 session ended" in fleet.move(late, "--to", "b").stdout
    assert fleet.fields(late) == "backend=b"


def test_this_host_itself_needs_no_address(fleet):
    user = fleet.user()
    fleet.login(user)
    own, other = f"p1 p2=127.0.0.1:{fleet.ports[1]}", "p1=127.0.0.1:%d p2" % fleet.ports[0]
    try:
        fleet.pmap.write(proxies=own)
        assert "p1: 1 session ended" in fleet.move(user, "--to", "b").stdout
        fleet.pmap.write(proxies=other)
        assert "gives no address for p2, and this host is p1" in fleet.move(user, "--to", "a", code=78).stderr
    finally:
        fleet.pmap.write(proxies=fleet.proxies())
