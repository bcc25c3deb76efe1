"""The cases of Dovecot's own page about proxying, with the map in place of its SQL table."""

import base64
import hashlib
import os
import socket

import pytest

from harness import branch, certificate
from harness.authclient import AuthClient
from harness.backend import MASTER_PASSWORD, MASTER_USER, password_of
from harness.branch import SERVICES, Passdb
from harness.process import wait_until

# A failed connection is tried again for 3 s by default.
NO_RETRY = "login_proxy_max_reconnects = 0\n"

LOGIN_SERVICES = [service for service in SERVICES if service != "lmtp"]

PAGE_ROWS = """
user john backend=b1
user joe  backend=b2 destuser=joe@example.com
"""


# ---- password forwarding: the rows of the page's SQL example

@pytest.mark.parametrize("cache", ["0", "4096"], ids=["no auth_cache", "auth_cache"])
@pytest.mark.parametrize("count", [0, 1], ids=["service_count 0", "service_count 1"])
def test_the_pages_rows_john_and_joe(make_site, cache, count):
    site = make_site(PAGE_ROWS, auth_cache=cache, service_count=count)
    for _ in range(2):
        for service in LOGIN_SERVICES:
            john = site.login(service, "john")
            assert (john.backend, john.user) == ("b1", "john")
            joe = site.login(service, "joe", "pw-joe@example.com")
            assert (joe.backend, joe.user) == ("b2", "joe@example.com")
        assert site.login("imap", "john", "wrong").outcome == "auth_failed"


def test_with_auth_cache_a_wrong_password_stays_wrong(make_site):
    site = make_site(PAGE_ROWS, auth_cache="4096")
    assert site.login("imap", "john").outcome == "ok"
    assert site.login("imap", "john", "wrong").outcome == "auth_failed"
    assert site.login("imap", "john").outcome == "ok"


@pytest.mark.parametrize("cache", ["0", "4096"], ids=["no auth_cache", "auth_cache"])
def test_a_move_is_in_force_when_cache_ttl_is_over(make_site, cache):
    site = make_site(PAGE_ROWS, {"cache_ttl": "1s"}, auth_cache=cache)
    assert site.login("imap", "john").backend == "b1"
    moved = "".join(server.record() for server in site.backends) + "user john backend=b2\n"
    site.proxymap.load(site.proxy, moved)
    wait_until(lambda: site.login("imap", "john").backend == "b2", "john has moved", pause=0.1)


# ---- the proxy logs in by a master password, after checking the user's own

CREDENTIALS = f"""
credential towards-backends {{
  master = {MASTER_USER}
  password = {MASTER_PASSWORD}
}}
"""


def master_map(make_map, **settings):
    pmap = make_map(verify="map", allow_fields="password", **settings)
    pmap.credentials(CREDENTIALS)
    return pmap


HASHED = "{SHA256}" + base64.b64encode(hashlib.sha256(b"joes-own").digest()).decode()
MASTER_ROUTES = f"""
user john backend=b1 password=johns-own credential=towards-backends
user joe  backend=b2 password="{HASHED}" credential=towards-backends
"""


@pytest.fixture(scope="module")
def master_site(make_site, make_map):
    return make_site(MASTER_ROUTES, pmap=master_map(make_map),
                     mechanisms="plain login cram-md5")


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_master_password_with_plain(master_site, service):
    reached = master_site.login(service, "john", "johns-own")
    assert (reached.backend, reached.user) == ("b1", "john")
    assert master_site.login(service, "john", "pw-john").outcome == "auth_failed"
    assert master_site.login(service, "john", "").outcome != "ok"
    assert master_site.login(service, "john", MASTER_PASSWORD).outcome == "auth_failed"


@pytest.mark.parametrize("service", ["imap", "submission"])
def test_master_password_with_a_mechanism_that_hides_the_password(master_site, service):
    reached = master_site.login(service, "john", "johns-own", mechanism="CRAM-MD5")
    assert (reached.backend, reached.user) == ("b1", "john")
    assert master_site.login(service, "john", "wrong", mechanism="CRAM-MD5").outcome == "auth_failed"


def test_a_record_may_hold_a_hashed_password(master_site):
    assert master_site.login("imap", "joe", "joes-own").backend == "b2"
    assert master_site.login("imap", "joe", "wrong").outcome == "auth_failed"
    assert master_site.login("imap", "joe", HASHED).outcome == "auth_failed"


def test_a_master_password_never_shows_in_log_or_map(master_site):
    master_site.login("imap", "john", "johns-own")
    assert MASTER_PASSWORD not in master_site.proxy.log()
    assert MASTER_PASSWORD not in master_site.proxymap.run(master_site.proxy, "export").stdout


def test_a_credential_is_sent_only_to_its_backends(make_site, make_map):
    pmap = make_map(verify="map", allow_fields="password")
    pmap.credentials(CREDENTIALS.replace("}", "  backends = b1\n}"))
    site = make_site(MASTER_ROUTES, pmap=pmap)
    assert site.login("imap", "john", "johns-own").backend == "b1"
    mark = site.backends[1].mark()
    assert site.login("imap", "joe", "joes-own").outcome == "temp_failed"
    assert site.backends[1].grep(MASTER_USER, mark) == []


# ---- proxy_maybe: some users live on the proxy itself

SELF = "user local host=127.0.0.1 password=locals-own\nuser away backend=b1 password=pw-away\n"


@pytest.fixture(scope="module")
def self_map_site(make_site):
    """verify = map: the record's password decides, here and away."""
    return make_site(SELF, {"verify": "map", "allow_fields": "password"})


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_who_lives_here_logs_in_here_with_the_right_password_only(self_map_site, service):
    assert self_map_site.login(service, "local", "locals-own").backend == "proxy"
    assert self_map_site.login(service, "local", "wrong").outcome == "auth_failed"
    assert self_map_site.login(service, "local", "").outcome != "ok"
    assert self_map_site.login(service, "away").backend == "b1"


def test_mail_for_who_lives_here_is_delivered_here(self_map_site):
    assert self_map_site.login("lmtp", "local").backend == "proxy"
    assert self_map_site.login("lmtp", "away").backend == "b1"


@pytest.fixture(scope="module")
def self_backend_site(make_site):
    return make_site("user local host=127.0.0.1\nuser away backend=b1\n",
                     passdbs=lambda pmap: [pmap.passdb(result_internalfail="return-fail"),
                                           Passdb.of("static", "password=of-the-proxy")])


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_with_verify_backend_another_passdb_checks_who_lives_here(self_backend_site, service):
    site = self_backend_site
    assert site.login(service, "local", "of-the-proxy").backend == "proxy"
    assert site.login(service, "local", "wrong").outcome == "auth_failed"
    assert site.login(service, "away").backend == "b1"
    assert site.login(service, "away", "wrong").outcome == "auth_failed"


def test_with_verify_backend_alone_nobody_logs_in_here(make_site):
    site = make_site("user local host=127.0.0.1\n")
    assert site.login("imap", "local").outcome != "ok"
    with AuthClient(site.proxy.socket("auth-client")) as client:
        tried = [client.start("local", password, service=service)
                 for service in SERVICES for password in ("", "anything", "pw-local")]
        assert {client.wait(request).status for request in tried} == {"FAIL"}


# ---- TLS to the backend, as stock Dovecot does it

TLS_CASES = [  # field tls, port, whether the backend must see TLS
    ("no", "plain", False),
    ("starttls", "plain", True),
    ("starttls-any-cert", "plain", True),
    ("ssl", "tls", True),
    ("ssl-any-cert", "tls", True),
]


def tls_routes(backends):
    b2 = backends[1].spec
    lines = []
    for field, kind, _ in TLS_CASES:
        ports = b2.ports if kind == "plain" else b2.tls_ports
        lines.append(f"user {field} host={b2.address} tls={field} "
                     + " ".join(f"port.{service}={port}" for service, port in ports.items()) + "\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def tls_site(make_site, backends, tls):
    return make_site(tls_routes(backends), ca=tls.ca)


@pytest.fixture(scope="module")
def distrusting_site(make_site, backends, tls, workspace):
    """A proxy that knows another CA."""
    other = certificate.make(os.path.join(workspace, "other-tls"), ["127.0.0.99"])
    return make_site(tls_routes(backends), ca=other.ca, extra=NO_RETRY)


@pytest.mark.parametrize("service", ["imap", "pop3"])
@pytest.mark.parametrize("field, _port, secured", TLS_CASES)
def test_tls_to_a_trusted_backend(tls_site, service, field, _port, secured):
    reached = tls_site.login(service, field)
    assert (reached.outcome, reached.backend, reached.tls) == ("ok", "b2", secured)


@pytest.mark.only_on("2.4", "2.3's proxy multiplexes nothing")
def test_tls_to_a_backend_is_multiplexed_only_where_that_does_not_stall(tls_site):
    stalls = branch.release() < (2, 4, 2)
    with AuthClient(tls_site.proxy.socket("auth-client")) as client:
        fields = {user: client.login(user, password_of(user)).fields for user, _, _ in TLS_CASES}
    assert {user: "proxy_no_multiplex" in told for user, told in fields.items()} == \
        {user: secured and stalls for user, _, secured in TLS_CASES}


@pytest.mark.parametrize("service", ["imap", "pop3"])
@pytest.mark.parametrize("field", ["starttls", "ssl"])
def test_tls_to_a_backend_with_an_unknown_certificate_is_refused(distrusting_site, service, field):
    mark = distrusting_site.backends[1].mark()
    assert distrusting_site.login(service, field).outcome == "temp_failed"
    assert distrusting_site.backends[1].grep(f"user=<{field}>", mark) == []


@pytest.mark.parametrize("service", ["imap", "pop3"])
@pytest.mark.parametrize("field", ["starttls-any-cert", "ssl-any-cert"])
def test_any_cert_takes_any_certificate(distrusting_site, service, field):
    reached = distrusting_site.login(service, field)
    assert (reached.outcome, reached.tls) == ("ok", True)


def test_tls_to_lmtp_backends(tls_site, distrusting_site):
    assert tls_site.login("lmtp", "starttls").backend == "b2"
    assert distrusting_site.login("lmtp", "starttls").outcome == "temp_failed"
    assert distrusting_site.login("lmtp", "starttls-any-cert").backend == "b2"


# ---- addresses

@pytest.fixture(scope="module")
def plain_site(make_site):
    return make_site(PAGE_ROWS)


@pytest.mark.parametrize("service", SERVICES)
def test_the_backend_logs_the_clients_address_when_it_trusts_the_proxy(plain_site, service):
    assert plain_site.login(service, "john", source="127.0.0.9").rip == "127.0.0.9"


def test_a_backend_that_does_not_trust_logs_the_proxys_address(make_site, make_backend):
    untrusting = make_backend("b3", trusted="")
    site = make_site(f"user john {untrusting.fields()}\n")
    site.backends = [*site.backends, untrusting]
    for service in LOGIN_SERVICES:
        assert site.login(service, "john", source="127.0.0.9").rip == "127.0.0.1"


@pytest.fixture(scope="module")
def source_site(make_site):
    return make_site(PAGE_ROWS, passdbs=lambda pmap: [pmap.passdb(default_fields="source_ip=127.0.0.5")])


@pytest.mark.parametrize("service", SERVICES)
def test_source_ip_of_the_passdb_block_is_where_the_proxy_comes_from(source_site, backends, service):
    mark = backends[0].mark()
    reached = source_site.login(service, "john")
    assert reached.backend == "b1"
    if service == "lmtp":
        assert backends[0].grep(r"lmtp\(\d+\): Info: Connect from 127\.0\.0\.5", mark)
    else:
        assert reached.real_rip == "127.0.0.5"


def test_login_source_ips_works_as_with_stock_passdbs(make_site):
    site = make_site("user john backend=b1\n", extra="login_source_ips = 127.0.0.5 127.0.0.6\n",
                     service_count=0)
    seen = {site.login("imap", "john").real_rip for _ in range(6)}
    assert seen == {"127.0.0.5", "127.0.0.6"}


# ---- a backend that is not there

def test_a_backend_that_is_down_is_a_temporary_failure(make_site):
    with socket.socket() as nobody:  # bound, but not listening
        nobody.bind(("127.0.0.7", 0))
        site = make_site(f"user john host=127.0.0.7 port={nobody.getsockname()[1]}\n", extra=NO_RETRY)
        assert site.login("imap", "john").outcome == "temp_failed"
