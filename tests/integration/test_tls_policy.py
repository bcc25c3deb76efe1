"""TLS policies: which backends the proxy believes, and that no password leaves for others."""

import base64
import dataclasses
import imaplib
import os
import ssl

import pytest

from harness import authority, branch, clients
from harness.backend import Backend, password_of
from harness.dovecot import STARTED_TOO_LATE
from harness.fakebackend import FakeBackend, Session
from harness.process import wait_until

LOGIN_SERVICES = [service for service in branch.SERVICES if service != "lmtp"]
TLS_AT_ONCE = ["imap", "pop3"]


# ---- the backends: one Dovecot that shows another certificate on each of its addresses

@dataclasses.dataclass
class Certificates:
    ours: authority.Authority
    good: object      # for 127.0.1.1 and good.test
    strange: object   # of another CA, 127.0.1.2
    expired: object   # 127.0.1.3
    misnamed: object  # for else.test alone, shown on 127.0.1.4
    internal: object  # for imap.internal.test alone, shown on 127.0.1.5
    revoked: object   # 127.0.1.6
    client: object    # the proxy's own; b5, on 127.0.1.7, demands it
    crl: str = ""


@pytest.fixture(scope="module")
def certificates(workspace):
    ours = authority.Authority(os.path.join(workspace, "our-ca"), "our ca")
    other = authority.Authority(os.path.join(workspace, "other-ca"), "other ca")
    made = Certificates(
        ours,
        good=ours.issue("good", ["127.0.1.1", "127.0.1.7"], ["good.test"]),
        strange=other.issue("strange", ["127.0.1.2"]),
        expired=ours.issue("expired", ["127.0.1.3"], expired=True),
        misnamed=ours.issue("misnamed", names=["else.test"]),
        internal=ours.issue("internal", names=["imap.internal.test"]),
        revoked=ours.issue("revoked", ["127.0.1.6"]),
        client=ours.issue("proxy", names=["proxy.test"]))
    ours.revoke(made.revoked)
    made.crl = ours.crl()
    return made


@pytest.fixture(scope="module")
def backend(workspace, sink, tls, certificates):
    shown = {"127.0.1.1": certificates.good, "127.0.1.2": certificates.strange,
             "127.0.1.3": certificates.expired, "127.0.1.4": certificates.misnamed,
             "127.0.1.5": certificates.internal, "127.0.1.6": certificates.revoked}
    blocks = [f"local {address} {{\n  ssl_cert = <{one.certificate}\n  ssl_key = <{one.key}\n}}\n"
              for address, one in shown.items()]
    with Backend("b4", os.path.join(workspace, "b4"), "127.0.0.5", tls, sink.address,
                 trusted="", also=tuple(shown), extra="".join(blocks)) as server:
        yield server


@pytest.fixture(scope="module")
def demanding_backend(workspace, sink, certificates):
    """Lets nobody in without a certificate."""
    with Backend("b5", os.path.join(workspace, "b5"), "127.0.1.7", certificates.good, sink.address,
                 ca=certificates.ours.ca,
                 extra="ssl_verify_client_cert = yes\nauth_ssl_require_client_cert = yes\n") as server:
        yield server


@pytest.fixture(scope="module")
def policies(certificates):
    """The text of the sections; names say what they ask."""
    ca = f"ca_file = {certificates.ours.ca}"
    good, other = authority.pin(certificates.good), authority.pin(certificates.strange)
    sections = {
        "chain": [ca],
        "internal": [ca, "verify_name = imap.internal.test"],
        "good_name": [ca, "verify_name = good.test"],
        "pin": [f"pin_sha256 = {good}"],
        "pin_rollover": [ca, f"pin_sha256 = {other} {good}"],
        "wrong_pin": [ca, f"pin_sha256 = {other}"],
        "client": [ca, f"certificate = {certificates.client.certificate}", f"key = {certificates.client.key}"],
        "crl": [ca, f"crl_file = {certificates.crl}"],
        "modern": [ca, "min_protocol = TLSv1.3"],
        "any": ["any_cert = yes"],
        "relaxed": [ca, "require = no"],
        "no_resumption": [ca, "resume_sessions = no"],
        "unreadable": ["ca_file = /nonexistent/ca.pem"],
    }
    return "".join(f"tls_policy {name} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
                   for name, lines in sections.items())


# user → (policy, address, whether he gets in, what the log says when not)
CASES = {
    "good": ("chain", "127.0.1.1", True, ""),
    "strange": ("chain", "127.0.1.2", False, "strange"),
    "expired": ("chain", "127.0.1.3", False, "expired"),
    "misnamed": ("chain", "127.0.1.4", False, "else.test"),
    "internal": ("internal", "127.0.1.5", True, ""),
    "named": ("good_name", "127.0.1.1", True, ""),
    "not-internal": ("internal", "127.0.1.1", False, "imap.internal.test"),
    "pinned": ("pin", "127.0.1.1", True, ""),
    "rolled-over": ("pin_rollover", "127.0.1.1", True, ""),
    "mispinned": ("wrong_pin", "127.0.1.1", False, "pin"),
    "introduced": ("client", "127.0.1.1", True, ""),
    "not-revoked": ("crl", "127.0.1.1", True, ""),
    "revoked": ("crl", "127.0.1.6", False, "revoked"),
    "modern": ("modern", "127.0.1.1", True, ""),
    "anybody": ("any", "127.0.1.2", True, ""),
    "mistyped": ("unreadable", "127.0.1.1", False, "/nonexistent/ca.pem"),
}


def routes(backend):
    """user NAME-starttls and, for those services that have it, NAME-ssl."""
    plain = " ".join(f"port.{service}={port}" for service, port in backend.spec.ports.items())
    at_once = " ".join(f"port.{service}={port}" for service, port in backend.spec.tls_ports.items())
    return "".join(f"user {user}-starttls host={address} tls=starttls tls_policy={policy} {plain}\n"
                   f"user {user}-ssl host={address} tls=ssl tls_policy={policy} {at_once}\n"
                   for user, (policy, address, _, _) in CASES.items())


@pytest.fixture(scope="module")
def make_policy_site(make_site, make_map, backend, policies):
    def make(text="", settings=None, **spec):
        pmap = make_map(**(settings or {}))
        pmap.sections = policies
        pmap.write()
        site = make_site(routes(backend) + text, pmap=pmap, **spec)
        site.backends = [*site.backends, backend]
        return site
    return make


@pytest.fixture(scope="module")
def site(make_policy_site):
    return make_policy_site(service_count=0)


# Every protocol for the main cases, IMAP for all.
MAIN = ["good", "strange", "expired", "misnamed", "mispinned"]
WHO = ([("imap", user, kind) for user in CASES for kind in ("starttls", "ssl")]
       + [(service, user, "starttls") for service in LOGIN_SERVICES if service != "imap" for user in MAIN]
       + [("pop3", user, "ssl") for user in MAIN])


@pytest.mark.parametrize("service, user, kind", WHO)
def test_who_is_believed(site, service, user, kind):
    _, _, good, why = CASES[user]
    mark = site.proxy.mark()
    reached = site.login(service, f"{user}-{kind}")
    if good:
        assert (reached.outcome, reached.backend, reached.tls) == ("ok", "b4", True), reached
        return
    assert reached.outcome == "temp_failed", reached
    site.proxy.wait_for_log(r"Error: .*" + why, mark)


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_a_backend_that_demands_a_certificate_gets_the_policys(make_policy_site, demanding_backend, service):
    site = make_policy_site(f"user with {demanding_backend.fields()} tls=starttls tls_policy=client\n"
                            f"user without {demanding_backend.fields()} tls=starttls tls_policy=chain\n")
    site.backends = [*site.backends, demanding_backend]
    assert site.login(service, "with").backend == "b5"
    assert site.login(service, "without").outcome != "ok"


def test_a_handshake_that_fails_for_want_of_a_certificate_is_a_temporary_failure(make_policy_site, certificates):
    with FakeBackend("127.0.1.1", tls=certificates.good, at_once=True, demands=certificates.ours.ca) as fake:
        site = make_policy_site(f"user with host={fake.host} port={fake.port} tls=ssl tls_policy=client\n"
                                f"user without host={fake.host} port={fake.port} tls=ssl tls_policy=chain\n")
        assert clients.login("imap", site.proxy.address("imap"), "with", "secret").outcome == "ok"
        assert site.login("imap", "without").outcome == "temp_failed"
        site.proxy.wait_for_log("Error: .*certificate")


@pytest.mark.parametrize("user", ["good-starttls", "strange-ssl"])
def test_the_same_with_a_process_for_each_login(make_policy_site, user):
    site = make_policy_site(service_count=1)
    assert site.login("imap", user).outcome == ("ok" if user.startswith("good") else "temp_failed")


def test_the_log_line_says_what_was_expected_and_what_came(site, certificates):
    mark = site.proxy.mark()
    assert site.login("imap", "mispinned-starttls").outcome == "temp_failed"
    line = site.proxy.wait_for_log("wrong_pin", mark)
    for part in (authority.pin(certificates.strange), authority.pin(certificates.good), "CN=our ca", "CN=good",
                 "good.test", "127.0.1.1"):
        assert part in line, line


# ---- no TLS, no password

def secrets_of(user):
    password = password_of(user).encode()
    encoded = base64.b64encode(b"\0" + user.encode() + b"\0" + password)
    return [password, encoded, base64.b64encode(password)]


@pytest.mark.parametrize("service", LOGIN_SERVICES)
@pytest.mark.parametrize("settings", [{}, {"default_tls_policy": "chain"}], ids=["the record's", "the default"])
def test_a_backend_without_starttls_gets_no_password(make_policy_site, service, settings):
    with FakeBackend("127.0.0.60", service) as fake:
        named = "" if settings else "tls_policy=chain"
        site = make_policy_site(f"user john host={fake.host} port={fake.port} tls=starttls {named}\n", settings)
        site.backends = []
        outcome = site.login(service, "john").outcome
        assert outcome not in ("ok", "auth_failed")
        assert fake.connections > 0
        for secret in secrets_of("john"):
            assert secret not in fake.seen


def test_a_backend_that_takes_its_starttls_back_gets_no_password(make_policy_site, certificates):
    with FakeBackend("127.0.0.60", tls=certificates.good, refuses_starttls=True) as fake:
        site = make_policy_site(f"user john host={fake.host} port={fake.port} tls=starttls tls_policy=chain\n")
        assert site.login("imap", "john").outcome not in ("ok", "auth_failed")
        assert b"STARTTLS" in fake.seen
        for secret in secrets_of("john"):
            assert secret not in fake.seen


def test_a_route_without_tls_is_refused_where_the_policy_requires_it(make_policy_site):
    with FakeBackend("127.0.0.60") as fake:
        site = make_policy_site(f"backend fake host={fake.host} port={fake.port}\n"
                                "user strict backend=fake tls_policy=chain\n"
                                "user relaxed backend=fake tls_policy=relaxed\n")
        assert site.login("imap", "strict").outcome == "temp_failed"
        assert fake.connections == 0
        site.proxy.wait_for_log("requires TLS")
        # The record's own wish, and the policy's: in the clear.
        assert clients.login("imap", site.proxy.address("imap"), "relaxed", "secret").outcome == "ok"
        assert b"secret" in fake.seen


def test_a_bad_certificate_is_not_tried_again(make_policy_site, certificates):
    with FakeBackend("127.0.0.60", tls=certificates.strange, at_once=True) as fake:
        site = make_policy_site(f"user john host={fake.host} port={fake.port} tls=ssl tls_policy=chain\n")
        assert site.login("imap", "john").outcome == "temp_failed"
        assert fake.connections == 1
        assert fake.seen == b""


def test_an_old_protocol_is_refused(make_policy_site, certificates):
    with FakeBackend("127.0.0.60", tls=certificates.good, at_once=True, newest=ssl.TLSVersion.TLSv1_2) as fake:
        site = make_policy_site(
            f"user new host={fake.host} port={fake.port} tls=ssl tls_policy=modern\n")
        assert site.login("imap", "new").outcome == "temp_failed"
        assert fake.seen == b""


# ---- a hostile backend, before TLS

class _AnswersBeforeTls(Session):
    """Says `backend.lie` in answer to STARTTLS, and then lets everybody in."""

    def imap(self, backend, line):
        if line.split()[1].upper() == b"STARTTLS":
            return backend.lie
        return line.split()[0] + b" OK in\r\n"


@pytest.mark.parametrize("lie", [b"C OK done\r\n", b"L OK in\r\n", b"+ \r\n", b"I OK\r\nL OK in\r\n",
                                 b"* OK [ALERT] mind this\r\nL OK in\r\n"])
def test_a_backend_that_answers_in_clear_what_comes_after_tls_gets_nothing(make_policy_site, certificates, lie):
    with FakeBackend("127.0.0.60", tls=certificates.good, session=_AnswersBeforeTls) as fake:
        fake.lie = lie
        site = make_policy_site(f"user john host={fake.host} port={fake.port} tls=starttls tls_policy=chain\n",
                                extra="login_proxy_timeout = 3s\n")
        outcome = clients.login("imap", site.proxy.address("imap"), "john", password_of("john"))
        assert outcome.outcome == "temp_failed", outcome
        assert "mind this" not in outcome.text
        assert b"STARTTLS" in fake.seen
        for secret in secrets_of("john"):
            assert secret not in fake.seen


class _BusyAtFirst(Session):
    """Ends the first connection by BYE, within TLS where that starts at once."""

    def talk(self, backend):
        if backend.connections > 1:
            super().talk(backend)
            return
        if backend.at_once:
            self.start_tls(backend)
        self.request.sendall(b"* BYE busy\r\n")


@pytest.mark.parametrize("kind", ["ssl", "starttls"])
def test_a_reconnect_is_under_the_policy_too(make_policy_site, certificates, kind):
    with FakeBackend("127.0.1.1", tls=certificates.good, at_once=kind == "ssl", session=_BusyAtFirst) as fake:
        site = make_policy_site(f"user john host={fake.host} port={fake.port} tls={kind} tls_policy=good_name\n"
                                f"user joe host={fake.host} port={fake.port} tls={kind} tls_policy=wrong_pin\n")
        assert clients.login("imap", site.proxy.address("imap"), "john", password_of("john")).outcome == "ok"
        assert fake.connections == 2
        fake.connections = 0
        seen = len(fake.seen)
        assert clients.login("imap", site.proxy.address("imap"), "joe", password_of("joe")).outcome == "temp_failed"
        for secret in secrets_of("joe"):
            assert secret not in fake.seen[seen:]


def test_a_second_login_on_the_same_connection_goes_by_its_own_policy(make_policy_site, certificates, backend):
    ports = f"port={backend.spec.ports['imap']}"
    site = make_policy_site(f"user refused host=127.0.1.2 {ports} tls=starttls tls_policy=chain\n"
                            f"user other host=127.0.1.2 {ports} tls=starttls tls_policy=any\n"
                            f"user good host=127.0.1.1 {ports} tls=starttls tls_policy=chain\n"
                            "user plain backend=b1\n")
    for second in ("other", "good", "plain"):
        client = imaplib.IMAP4(*site.proxy.address("imap"), timeout=30)
        try:
            for _ in range(2):
                with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
                    client.login("refused", password_of("refused"))
            client.login(second, password_of(second))
        finally:
            client.shutdown()


# ---- resumption

@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_a_bad_certificate_three_times_in_a_row_is_refused_three_times(make_policy_site, certificates, newest):
    with FakeBackend("127.0.0.60", tls=certificates.expired, at_once=True, newest=newest) as fake:
        site = make_policy_site(
            f"user john host={fake.host} port={fake.port} tls=ssl tls_policy=chain\n", service_count=0)
        for _ in range(3):
            assert site.login("imap", "john").outcome == "temp_failed"
        assert fake.seen == b""


def login_thrice(site, user):
    """How three logins of one process went, with a fake backend that nobody logs."""
    return [clients.login("imap", site.proxy.address("imap"), user, password_of(user)).outcome for _ in range(3)]


@pytest.mark.parametrize("policy, resumed", [("good_name", [False, True, True]), ("no_resumption", [False] * 3),
                                             ("any", [False] * 3)])
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_verified_sessions_are_resumed_and_no_others(make_policy_site, certificates, policy, resumed, newest):
    with FakeBackend("127.0.1.1", tls=certificates.good, at_once=True, newest=newest) as fake:
        site = make_policy_site(
            f"user john host={fake.host} port={fake.port} tls=ssl tls_policy={policy}\n", service_count=0,
            extra="service imap-login {\n  process_limit = 1\n}\n")
        assert login_thrice(site, "john") == ["ok"] * 3
        wait_until(lambda: len(fake.resumed) == 3, "three handshakes")
        assert fake.resumed == resumed


# ---- what a record cannot do

def test_any_cert_needs_a_policy_that_says_so(make_policy_site, backend):
    ports = f"port={backend.spec.ports['imap']}"
    site = make_policy_site(f"user a host=127.0.1.2 {ports} tls=starttls-any-cert tls_policy=chain\n"
                            f"user b host=127.0.1.2 {ports} tls=starttls-any-cert tls_policy=any\n"
                            f"user c host=127.0.1.2 {ports} tls=starttls-any-cert\n")
    assert site.login("imap", "a").outcome == "temp_failed"
    site.proxy.wait_for_log("does not say any_cert")
    assert site.login("imap", "b").outcome == "ok"
    assert site.login("imap", "c").outcome == "ok"  # no policy: stock Dovecot


def test_an_unknown_policy_is_a_temporary_failure(make_policy_site):
    site = make_policy_site("user john host=127.0.1.1 tls=ssl tls_policy=nobody-wrote-it\n")
    for service in branch.SERVICES:
        assert site.login(service, "john").outcome == "temp_failed"
    site.proxy.wait_for_log("no section tls_policy nobody-wrote-it")


def test_without_the_plugin_a_policy_is_a_temporary_failure(make_policy_site):
    with FakeBackend("127.0.0.60") as fake:
        site = make_policy_site(
            f"user strict host={fake.host} port={fake.port} tls=starttls tls_policy=chain\n"
            f"user relaxed host={fake.host} port={fake.port} tls_policy=relaxed\n", login_settings="")
        for user in ("strict", "relaxed"):
            assert site.login("imap", user).outcome == "temp_failed"
        assert fake.connections == 0
        site.proxy.wait_for_log("add login_proxy_ext to login_plugins")


def test_lmtp_refuses_a_policy_that_it_cannot_enforce(site):
    mark = site.proxy.mark()
    assert site.login("lmtp", "good-starttls").outcome == "temp_failed"
    site.proxy.wait_for_log("LMTP cannot enforce ca_file", mark)


@pytest.mark.only_on("2.3", "2.4 has no settings file, and starts with no settings that it cannot read")
def test_an_unreadable_settings_file_stops_policies_and_nothing_else(make_policy_site, backend):
    site = make_policy_site("user plain backend=b1\n", login_settings="/nonexistent/proxymap.conf.ext")
    assert site.login("imap", "plain").backend == "b1"
    assert site.login("imap", "good-ssl").outcome == "temp_failed"
    site.proxy.wait_for_log("/nonexistent/proxymap.conf.ext")


# ---- whatever else is set

SURROUNDINGS = {
    "verbose_ssl": {"extra": "verbose_ssl = yes\n"},
    "verbose_ssl, a process for each login": {"extra": "verbose_ssl = yes\n", "service_count": 1},
    # Dovecot's TLS module is then loaded for the backends alone.
    "no TLS for clients": {"extra": "ssl = no\n"},
    "no TLS for clients, a process for each login": {"extra": "ssl = no\n", "service_count": 1},
    "verbose_proctitle and debug": {"extra": "verbose_proctitle = yes\nauth_debug = yes\nmail_debug = yes\n"},
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_policies_judge_the_same_whatever_else_is_set(make_policy_site, surroundings):
    site = make_policy_site(**{"service_count": 0, **SURROUNDINGS[surroundings]})
    for user in ("good-starttls", "good-ssl", "not-revoked-ssl", "pinned-starttls", "introduced-ssl"):
        assert site.login("imap", user).backend == "b4"
    for user in ("strange-starttls", "strange-ssl", "revoked-ssl", "mispinned-starttls", "misnamed-ssl"):
        assert site.login("imap", user).outcome == "temp_failed"
    assert site.login("pop3", "good-ssl").backend == "b4"
    assert site.login("pop3", "strange-ssl").outcome == "temp_failed"


def test_cas_keys_and_crls_are_there_in_the_chroot(site):
    """The files are read before it: afterwards no path leads to them."""
    assert site.login("imap", "good-ssl").outcome == "ok"
    roots = {os.readlink(f"/proc/{pid}/root") for pid in site.proxy.child_pids("imap-login")}
    assert roots == {site.proxy.socket("login")}
    for user in ("introduced-ssl", "not-revoked-ssl"):
        assert site.login("imap", user).outcome == "ok"
    assert site.login("imap", "revoked-ssl").outcome == "temp_failed"


# ---- a change of the settings

def crashes(site):
    site.proxy.may_crash = True  # judged here
    return [line for line in site.proxy.crashes() if not STARTED_TOO_LATE.search(line)]


@pytest.mark.parametrize("service_count", [0, 1])
def test_a_changed_policy_is_in_force_after_a_reload(make_policy_site, certificates, policies, service_count):
    site = make_policy_site(service_count=service_count)
    good, other = authority.pin(certificates.good), authority.pin(certificates.strange)
    assert policies.count(f"{other} {good}") == 1

    def change(sections, outcome):
        site.proxymap.sections = sections
        site.proxymap.write()
        site.proxy.reload()
        # A process that was there before may still take the very next client.
        wait_until(lambda: site.login("imap", "rolled-over-ssl").outcome == outcome, f"{outcome} after the reload")
        for service in LOGIN_SERVICES:
            assert site.login(service, "rolled-over-starttls").outcome == outcome

    assert site.login("imap", "rolled-over-ssl").outcome == "ok"
    change(policies.replace(f"{other} {good}", other), "temp_failed")
    assert site.login("imap", "pinned-ssl").outcome == "ok"  # another policy
    change(policies, "ok")
    assert crashes(site) == []


@pytest.mark.parametrize("padding", [0, 200_000], ids=["small", "large"])  # a large one is read on first use
def test_a_ca_file_with_other_contents_is_in_force_after_a_reload(make_policy_site, certificates, policies, workspace,
                                                                  padding):
    path = os.path.join(workspace, f"changing-ca-{padding}.pem")

    def put(source):
        with open(source, encoding="ascii") as old, open(path + ".new", "w", encoding="ascii") as new:
            new.write("x\n" * (padding // 2) + old.read())
        os.rename(path + ".new", path)
    put(certificates.ours.ca)
    site = make_policy_site(service_count=0)
    change = policies.replace(f"ca_file = {certificates.ours.ca}\n}}", f"ca_file = {path}\n}}", 1)
    assert change != policies
    site.proxymap.sections = change
    site.proxymap.write()
    site.proxy.reload()
    # A login process that is about to end may still take a connection.
    wait_until(lambda: site.login("imap", "good-ssl").outcome == "ok", "the first CA")
    put(os.path.join(workspace, "other-ca", "ca.pem"))
    site.proxy.reload()
    wait_until(lambda: site.login("imap", "good-ssl").outcome == "temp_failed", "the new CA")
    assert site.login("imap", "strange-ssl").outcome == "ok"
    assert crashes(site) == []
