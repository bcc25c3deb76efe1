"""`doveadm proxymap check` of a running deployment: each finding is provoked once, and a healthy proxy has none."""

import contextlib
import json
import os
import re
import shutil
import socket
import socketserver
import threading

import pytest

from harness import authority, modules, namespace, ports
from harness.branch import Passdb

MODULES = modules.stock_folder()
USERS = "john:{PLAIN}x\n"


def check(site, *args, code=None):
    """The findings: (severity, subject, finding, advice), and the exit code that belongs to them."""
    done = site.proxy.doveadm("-f", "json", "proxymap", "check", *args, check=False)
    assert done.returncode in (0, 1, 2), done.stdout + done.stderr
    found = json.loads(done.stdout) if done.stdout.strip() else []
    severities = {row["severity"] for row in found}
    assert done.returncode == (2 if "error" in severities else 1 if "warning" in severities else 0)
    if code is not None:
        assert done.returncode == code, found
    return found


def the_one(found, severity, subject, finding):
    """There is such a finding; it says what to do."""
    matching = [row for row in found if row["severity"] == severity and re.search(subject, row["subject"])
                and re.search(finding, row["finding"])]
    assert len(matching) == 1, found
    assert matching[0]["advice"]
    return matching[0]


@pytest.fixture(scope="module")
def users(workspace):
    path = os.path.join(workspace, "users-of-check")
    with open(path, "w", encoding="ascii") as file:
        file.write(USERS)
    return path


def test_a_healthy_proxy_has_no_finding(make_site, make_memcached, make_map):
    """With memcached beside the table, a TLS policy, a source pool, and everything that runs."""
    memcached = make_memcached(unix=True)
    pmap = make_map(stores=f"{memcached.setting} lmdb")
    pmap.sections = "source_pool out {\n  addresses = 127.0.0.1 ?192.0.2.1\n}\n"
    pmap.write(default_source_pool="out")
    site = make_site("user john backend=b1\n", pmap=pmap)
    assert check(site, code=0) == []
    assert site.login("imap", "john").backend == "b1"
    table = site.proxy.doveadm("proxymap", "check").stdout
    assert table.strip() in ("", "severity subject finding advice")


# What stands in the way of a login, or lets one in that should not be: passdbs of the proxy, its settings, spec,
# and the finding.
CHAINS = {
    "nobody asks proxymap": (lambda m, users: [Passdb.of("passwd-file", users)], {}, {},
                             ("error", "^passdb$", "nobody is routed")),
    "any password before it": (lambda m, users: [Passdb.of("static", "password= nopassword=y"), m.passdb()], {}, {},
                               ("error", "static", "any password")),
    "any password behind it": (
        lambda m, users: [m.passdb(result_internalfail="return-fail"), Passdb.of("static", "password= nopassword=y")],
        {}, {}, ("error", "static", "any password")),
    "an outage lets the next one answer": (lambda m, users: [m.passdb(), Passdb.of("passwd-file", users)], {}, {},
                                           ("error", "proxymap", "result_internalfail = return-fail")),
    "failures let in": (lambda m, users: [m.passdb(result_failure="return-ok")], {}, {},
                        ("error", "proxymap", "without a route would be let in")),
    "verify = none and nobody behind": (lambda m, users: [m.passdb()], {"verify": "none"}, {},
                                        ("error", "proxymap", "another passdb must check the password")),
    "verify = none fails open": (lambda m, users: [m.passdb(), Passdb.of("passwd-file", users)], {"verify": "none"}, {},
                                 ("error", "proxymap", "verify = none its block needs")),
    "skipped for the authenticated": (
        lambda m, users: [Passdb.of("passwd-file", users, result_success="continue"), m.passdb(skip="authenticated")],
        {}, {}, ("error", "proxymap", "logs in on this host")),
    "another one ends logins before it": (lambda m, users: [Passdb.of("passwd-file", users), m.passdb()], {}, {},
                                          ("warning", "passwd-file", "stands before proxymap")),
    "another one lets in behind it": (
        lambda m, users: [m.passdb(result_internalfail="return-fail"), Passdb.of("passwd-file", users)], {}, {},
        ("warning", "passwd-file", "stands behind proxymap")),
    "another one decides who is at home": (
        lambda m, users: [Passdb.of("passwd-file", users, result_success="continue",
                                    override_fields="proxy_maybe=y host=127.0.0.2"), m.passdb()], {}, {},
        ("warning", "passwd-file", "proxy_maybe")),
    "auth's cache hides a move": (
        lambda m, users: [m.passdb(result_internalfail="return-fail"), Passdb.of("passwd-file", users)], {},
        {"auth_cache": "10M"}, ("warning", "passwd-file", "auth_cache_size")),
    "everybody is at home for LMTP": (None, {"lmtp_missing": "local"}, {}, ("error", "userdb", "allow_all_users")),
    "LMTP proxies nobody": (None, {}, {"extra": "lmtp_proxy = no\n"}, ("error", "protocol lmtp", "lmtp_proxy = no")),
    "no memory for the table": (None, {}, {"auth_memory": "256M"}, ("error", "service auth", "vsz_limit is 256M")),
    "certificates are not verified": (None, {"default_tls": "starttls-any-cert"}, {},
                                      ("warning", "default_tls", "not verified")),
    "nor by Dovecot": (None, {}, {"extra": "ssl_client_require_valid_cert = no\n"},
                       ("warning", "ssl_client_require_valid_cert", "not verified")),
}


@pytest.mark.parametrize("case", CHAINS)
def test_a_risky_configuration_is_a_finding(make_site, users, case):
    passdbs, settings, spec, finding = CHAINS[case]
    chain = None if passdbs is None else lambda pmap: passdbs(pmap, users)
    site = make_site("user john backend=b1\n", settings, passdbs=chain, start=False, **spec)
    the_one(check(site, "--no-connect"), *finding)


def test_a_protocol_with_passdbs_of_its_own_is_looked_at(make_site, users):
    site = make_site("user john backend=b1\n", start=False,
                     service_passdbs={"pop3": [Passdb.of("static", "password= nopassword=y")]})
    the_one(check(site, "--no-connect"), "error", "static", "any password")


# ---- modules

@contextlib.contextmanager
def changed(path, change):
    """The module file is another one for a while; None: it is away."""
    kept = path + ".kept"
    shutil.move(path, kept)
    try:
        if change is not None:
            with open(kept, "rb") as file:
                data = change(file.read())
            with open(path, "wb") as file:
                file.write(data)
        yield
    finally:
        os.replace(kept, path)


def of_another_dovecot(module):
    return re.sub(rb"(\d\.\d\.ABIv)\d", rb"\g<1>0", module)


@pytest.mark.parametrize("module", ["auth/libauthdb_proxymap.so", "login/lib10_login_proxy_ext_plugin.so"])
def test_a_module_that_is_missing_or_of_another_dovecot_is_a_finding(make_site, module):
    site = make_site("user john backend=b1\n", start=False)
    path = os.path.join(MODULES, module)
    with changed(path, None):
        the_one(check(site, "--no-connect"), "error", re.escape(module), "is not there")
    with changed(path, of_another_dovecot):
        the_one(check(site, "--no-connect"), "error", re.escape(module), "built for another Dovecot")
    assert check(site, "--no-connect", code=0) == []


def with_sections(make_map, sections, **settings):
    pmap = make_map(**settings)
    pmap.sections = sections
    pmap.write()
    return pmap


POOL = "source_pool out {\n  addresses = 127.0.0.1\n}\n"


def test_login_processes_without_the_plugin_are_a_finding(make_site, make_map):
    pmap = with_sections(make_map, POOL)
    site = make_site("user john backend=b1\n", pmap=pmap, start=False, login_settings=pmap.conf,
                     extra="login_plugins =\n", services=("imap",))
    the_one(check(site, "--no-connect"), "error", "^protocol imap$", "login_plugins does not name")


@pytest.mark.only_on("2.3", "2.4 has the settings in dovecot.conf")
def test_login_processes_with_other_settings_are_a_finding(make_site, make_map):
    pmap = with_sections(make_map, POOL)
    site = make_site("user john backend=b1\n", pmap=pmap, start=False, login_settings="/etc/another.conf.ext")
    the_one(check(site, "--no-connect"), "error", "import_environment", "/etc/another.conf.ext")


# ---- mirrors

def fill(memcached, count):
    """With so many items of 1000 bytes that are no records."""
    with socket.create_connection(memcached.address) as connection:
        for number in range(count):
            connection.sendall(b"set filler:%d 0 0 1000 noreply\r\n%s\r\n" % (number, b"x" * 1000))
        connection.sendall(b"version\r\n")
        assert connection.recv(100)


def mirrored(make_site, make_map, memcached, **settings):
    pmap = make_map(stores=f"{memcached.setting} lmdb", **settings)
    return make_site("user john backend=b1\n", pmap=pmap, start=False)


def test_a_mirror_that_is_down_is_a_finding(make_site, make_map, make_memcached):
    memcached = make_memcached()
    site = mirrored(make_site, make_map, memcached)
    memcached.kill()
    the_one(check(site, "--no-connect", code=2), "error", f"^mirror {re.escape(memcached.setting)}$", "refused")
    memcached.start()
    the_one(check(site, "--no-connect", code=2), "error", "^mirror ", "holds no map")


def test_a_mirror_that_is_behind_is_a_finding(make_site, make_map, make_memcached):
    memcached = make_memcached()
    site = mirrored(make_site, make_map, memcached)
    site.proxymap.write(stores="lmdb")
    site.proxymap.run(site.proxy, "set", "user", "jane", "backend=b1")
    site.proxymap.write(stores=f"{memcached.setting} lmdb")
    the_one(check(site, "--no-connect", code=1), "warning", "^mirror ", "is behind")


def test_a_mirror_that_evicts_is_a_finding(make_site, make_map, make_memcached):
    memcached = make_memcached(evict=True, megabytes=2)
    site = mirrored(make_site, make_map, memcached)
    the_one(check(site, "--no-connect", code=1), "warning", "^mirror ", "no -M")
    fill(memcached, 5000)
    the_one(check(site, "--no-connect", code=2), "error", "^mirror ", r"dropped \d+ items")


def test_a_mirror_that_is_nearly_full_is_a_finding(make_site, make_map, make_memcached):
    memcached = make_memcached(megabytes=32)
    site = mirrored(make_site, make_map, memcached)
    fill(memcached, 26_000)
    the_one(check(site, "--no-connect"), "warning", "^mirror ", "in use")


def test_an_unsealed_mirror_on_another_host_is_a_finding(make_site, make_map):
    """192.0.2.1 is nobody's: the network of the tests has a loopback interface alone."""
    pmap = make_map()
    site = make_site("user john backend=b1\n", pmap=pmap, start=False)
    pmap.write(stores="lmdb memcached:192.0.2.1:11211")
    site.proxy.write_conf()
    the_one(check(site, "--no-connect"), "warning", "^mirror ", "not sealed")


class Late_clock(socketserver.StreamRequestHandler):
    """Stands before a memcached, and changes the time that it tells."""

    def handle(self):
        with socket.create_connection(self.server.upstream) as upstream, upstream.makefile("rb") as answers:
            while line := self.rfile.readline():
                upstream.sendall(line)
                words = line.split()
                multiline = words and words[0] in (b"stats", b"get", b"gets")
                while reply := answers.readline():
                    if match := re.match(rb"STAT time (\d+)", reply):
                        reply = b"STAT time %d\r\n" % (int(match[1]) + 60)
                    self.wfile.write(reply)
                    if not multiline or reply in (b"END\r\n", b"ERROR\r\n"):
                        break


def test_a_clock_that_is_wrong_is_a_finding(make_site, make_map, make_memcached):
    memcached = make_memcached()
    with socketserver.ThreadingTCPServer(("127.0.0.1", ports.free_port()), Late_clock) as server:
        server.upstream, server.daemon_threads = memcached.address, True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        site = mirrored(make_site, make_map, memcached)
        site.proxymap.write(stores="lmdb memcached:%s:%d" % server.server_address)
        site.proxy.write_conf()
        row = the_one(check(site, "--no-connect", code=1), "warning", "^clock of mirror ", "(59|60|61) s ahead")
        assert "NTP" in row["advice"]
        server.shutdown()


def test_a_proxy_without_a_table_is_looked_at_by_its_mirror(make_site, make_map, make_memcached, workspace):
    """Its backends are known from there: one of them is down."""
    memcached = make_memcached(unix=True)
    site = mirrored(make_site, make_map, memcached)
    site.proxymap.run(site.proxy, "set", "backend", "gone", "host=127.0.0.1", f"port={ports.free_port()}")
    site.proxymap.write(stores=memcached.setting, table=os.path.join(workspace, "no-table-here"))
    site.proxy.write_conf()
    found = check(site, code=2)
    assert {row["subject"] for row in found} == {f"backend gone {service}" for service in
                                                 ("imap", "pop3", "lmtp", "submission", "sieve")}


# ---- backends

@pytest.fixture(scope="module")
def authorities(workspace):
    return [authority.Authority(os.path.join(workspace, f"check-{name}"), name) for name in ("ours", "theirs")]


@pytest.fixture(scope="module")
def tls_backend(make_backend):
    return make_backend("b3")


POLICY = "tls_policy strict {\n  ca_file = %s\n}\n"


def tls_site(make_site, make_map, ca, record, **spec):
    pmap = with_sections(make_map, POLICY % ca, backend_services="imap")
    return make_site(record, pmap=pmap, start=False, **spec)


def test_a_backend_whose_certificate_the_policy_refuses_is_a_finding(make_site, make_map, tls, tls_backend, authorities):
    record = f"backend b3 {tls_backend.fields()} tls=%s tls_policy=strict\n"
    good = tls_site(make_site, make_map, tls.ca, record % "starttls")
    assert check(good, code=0) == []
    bad = tls_site(make_site, make_map, authorities[1].ca, record % "starttls")
    row = the_one(check(bad, code=2), "error", "^backend b3 imap$", "certificate is refused")
    assert authorities[1].ca in row["finding"] and 'subject "CN=test server"' in row["finding"]
    at_once = record.replace(f"port.imap={tls_backend.spec.ports['imap']}",
                             f"port.imap={tls_backend.spec.tls_ports['imap']}") % "ssl"
    assert check(tls_site(make_site, make_map, tls.ca, at_once), code=0) == []
    the_one(check(tls_site(make_site, make_map, authorities[1].ca, at_once), code=2),
            "error", "^backend b3 imap$", "certificate is refused")
    assert check(bad, "--no-connect", code=0) == []


def test_a_backend_that_only_dovecot_verifies_is_verified_by_its_ca(make_site, make_map, tls_backend, authorities):
    pmap = make_map(backend_services="imap")
    site = make_site(f"backend b3 {tls_backend.fields()} tls=starttls\n", pmap=pmap, start=False, ca=authorities[1].ca)
    the_one(check(site, code=2), "error", "^backend b3 imap$", "certificate is refused")


def test_every_service_of_a_backend_is_asked_in_its_own_way(make_site, make_map, tls, tls_backend):
    """Policies are for logins; LMTP has none."""
    pmap = with_sections(make_map, POLICY % tls.ca, backend_services="imap pop3 submission sieve")
    site = make_site(f"backend b3 {tls_backend.fields()} tls=starttls tls_policy=strict\n", pmap=pmap, start=False)
    assert check(site, code=0) == []


def test_a_certificate_that_ends_soon_is_a_finding(make_site, make_map, tls, tls_backend):
    """Those of the tests are good for 30 days."""
    site = tls_site(make_site, make_map, tls.ca, f"backend b3 {tls_backend.fields()} tls=starttls tls_policy=strict\n")
    row = the_one(check(site, "--days", "31", code=1), "warning", "^backend b3 imap$", "expires on")
    assert "in less than 30 days" in row["finding"]
    assert check(site, "--days", "28", code=0) == []


def test_a_backend_that_is_down_or_silent_is_a_finding(make_site, make_map):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pmap = make_map(backend_services="imap")
        site = make_site(f"backend gone host=127.0.0.1 port={ports.free_port()}\n"
                         f"backend silent host=127.0.0.1 port={silent.getsockname()[1]}\n"
                         f"backend off host=127.0.0.1 port={ports.free_port()} state=down\n", pmap=pmap, start=False)
        found = check(site, code=2)
        the_one(found, "error", "^backend gone imap$", "refused")
        the_one(found, "error", "^backend silent imap$", "no answer within")
        assert len(found) == 2
        the_one(check(site, "--timeout", "3s", code=2), "warning", "^backends$", "1 of 4")


# ---- sources

def test_a_source_address_that_is_not_here_is_a_finding(make_site, make_map):
    pmap = with_sections(make_map, "source_pool out {\n  addresses = 127.0.0.1 192.0.2.77\n}\n",
                         default_source_pool="out")
    site = make_site("user john backend=b1\n", pmap=pmap, start=False)
    the_one(check(site, "--no-connect", code=2), "error", "^source_pool out$", "192.0.2.77 is not an address of this host")


@pytest.mark.apart
def test_ports_that_run_out_are_a_finding(make_site, make_map):
    """Ten ports for each of two addresses; connections that somebody has to the backend."""
    pmap = with_sections(make_map, "source_pool out {\n  addresses = 127.0.2.1 127.0.2.2\n}\n",
                         default_source_pool="out", backend_services="imap")
    with namespace.network((40000, 40009)), socket.create_server(("127.0.0.7", 0)) as backend, \
            contextlib.ExitStack() as held:
        where = backend.getsockname()
        site = make_site(f"backend b7 host={where[0]} port={where[1]}\n", pmap=pmap, start=False)
        for number in range(16):
            held.enter_context(socket.create_connection(where, source_address=(f"127.0.2.{number // 8 + 1}",
                                                                                40000 + number % 8)))
        row = the_one(check(site, "--no-connect", code=1), "warning", "^source_pool out$", "16 of 20 ports")
        assert f"{where[0]}:{where[1]}" in row["finding"] and "80 %" in row["finding"]
        for number in range(4):
            held.enter_context(socket.create_connection(where, source_address=(f"127.0.2.{number // 2 + 1}",
                                                                                40008 + number % 2)))
        the_one(check(site, "--no-connect", code=2), "error", "^source_pool out$", "20 of 20 ports")


def test_addresses_beside_dovecot_s_own_are_a_finding(make_site, make_map):
    pmap = with_sections(make_map, POOL, default_source_pool="out")
    site = make_site("user john backend=b1\n", pmap=pmap, start=False, extra="login_source_ips = 127.0.0.1\n")
    the_one(check(site, "--no-connect", code=1), "warning", "login_source_ips", "source pools")


# ---- how it is called

@pytest.mark.only_on("2.3", "2.4's doveadm does not start with such settings")
def test_settings_that_auth_would_die_of_are_said_with_78(make_site):
    site = make_site("user john backend=b1\n", start=False)
    site.proxymap.write(lookup_timeout="soon")
    done = site.proxy.doveadm("proxymap", "check", check=False)
    assert done.returncode == 78 and "lookup_timeout" in done.stderr


@pytest.mark.parametrize("words, says", [
    (["/etc/some.conf.ext"], "check --config"), (["--days", "many"], "--days"), (["--timeout", "1"], "--timeout")])
def test_what_cannot_be_meant_is_refused(make_tool, words, says):
    done = make_tool().dovecot.doveadm("proxymap", "check", *words, check=False)
    assert done.returncode == 64 and says in done.stderr
