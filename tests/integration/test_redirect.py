"""A backend that answers a login with the name of another one: Dovecot 2.4 connects there, by the same route."""

import contextlib
import imaplib
import os

import pytest

from harness import authority, clients
from harness.fakebackend import FakeBackend, Session
from harness.holding import Held, HoldingBackend

pytestmark = pytest.mark.only_on("2.4", "2.3's proxy follows no redirects")

SECRET = b'LOGIN "john" "secret"'


SERVICES = ["imap", "pop3", "submission", "sieve"]


def redirecting(host, port, before=lambda: None):
    """A Session that sends everybody there, after `before()`."""
    where = f"john@[{host}]:{port}" if ":" in host else f"john@{host}:{port}"

    class Redirecting(Session):
        def imap(self, backend, line):
            tag, _, command = line.strip().partition(b" ")
            if command.split(b" ")[0].upper() in (b"AUTHENTICATE", b"LOGIN"):
                before()
                return tag + f" NO [REFERRAL imap://{where}/] moved\r\n".encode()
            return super().imap(backend, line)

        def pop3(self, backend, line):
            if line.startswith(b"USER"):
                return b"+OK\r\n"
            before()
            return f"-ERR [REFERRAL/{where}] moved\r\n".encode()

        def submission(self, backend, line):
            if line.upper().startswith(b"EHLO"):
                return b"250-fake\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN\r\n"
            if not line.upper().startswith(b"AUTH"):
                return super().submission(backend, line)
            before()
            return f"550 5.2.900 {where} Referral\r\n".encode()

        def sieve(self, backend, line):
            if not line.upper().startswith(b"AUTHENTICATE"):
                return super().sieve(backend, line)
            before()
            return f'NO (REFERRAL sieve://{where}) "moved"\r\n'.encode()
    return Redirecting


def port_of(backend, service):
    return backend.spec.ports[service]


@pytest.fixture(scope="module")
def certificates(workspace):
    ours = authority.Authority(os.path.join(workspace, "redirect-ca"), "our ca")
    others = authority.Authority(os.path.join(workspace, "redirect-other-ca"), "other ca")
    addresses = ["127.0.0.60", "127.0.0.61"]
    return ours.ca, ours.issue("good", addresses), others.issue("strange", addresses)


def login(make_site, make_map, ca, first, **settings):
    pmap = make_map(**settings)
    pmap.sections = f"tls_policy strict {{\n  ca_file = {ca}\n}}\n"
    pmap.write()
    tls = "ssl" if first.at_once else "starttls"
    site = make_site(f"user john host={first.host} port={first.port} tls={tls} tls_policy=strict\n"
                     f"user free host={first.host} port={first.port}\n", pmap=pmap, services=("imap",))
    return clients.login("imap", site.proxy.address("imap"), "john", "secret").outcome, site


@pytest.mark.parametrize("at_once", [True, False], ids=["ssl", "starttls"])
def test_the_new_destination_is_judged_by_the_same_policy_and_gets_the_login(make_site, make_map, certificates, at_once):
    ca, good, _ = certificates
    with FakeBackend("127.0.0.61", tls=good, at_once=at_once) as second, \
            FakeBackend("127.0.0.60", tls=good, at_once=at_once, session=redirecting(second.host, second.port)) as first:
        outcome, _ = login(make_site, make_map, ca, first)
        assert (outcome, first.connections, second.connections) == ("ok", 1, 1)
        assert SECRET in second.seen


@pytest.mark.parametrize("at_once", [True, False], ids=["ssl", "starttls"])
def test_a_new_destination_that_the_policy_does_not_pass_sees_no_password(make_site, make_map, certificates, at_once):
    ca, good, strange = certificates
    with FakeBackend("127.0.0.61", tls=strange, at_once=at_once) as second, \
            FakeBackend("127.0.0.60", tls=good, at_once=at_once, session=redirecting(second.host, second.port)) as first:
        outcome, site = login(make_site, make_map, ca, first)
        assert outcome == "temp_failed"
        assert second.connections >= 1 and SECRET not in second.seen
        site.proxy.wait_for_log("tls_policy strict: no TLS with 127.0.0.61 .*its certificate is refused")


def test_in_clear_no_backend_can_redirect_a_login(make_site, make_map, certificates):
    """Before TLS it could be anybody."""
    ca, good, _ = certificates

    class Early(Session):
        def imap(self, backend, line):
            tag = line.partition(b" ")[0]
            return b"L NO [REFERRAL imap://john@127.0.0.61:143/] moved\r\n" + tag + b" OK\r\n"
    with FakeBackend("127.0.0.60", tls=good, session=Early) as first:
        outcome, site = login(make_site, make_map, ca, first)
        assert outcome == "temp_failed"
        assert SECRET not in first.seen
        assert site.proxy.grep("Redirecting") == []


# ---- source pools

POOLS = """source_pool by_backend {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 127.0.2.4 ::1
  choose = hash-destination
}
source_pool least {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 127.0.2.4
}
source_pool v4 {
  addresses = 127.0.2.1
}
"""


def pool_site(make_site, make_map, routes, **more):
    pmap = make_map()
    pmap.sections = POOLS
    pmap.write()
    return make_site(routes, pmap=pmap, **more)


@pytest.mark.parametrize("service", SERVICES)
def test_the_new_destination_is_reached_from_the_source_that_the_pool_has_for_it(make_site, make_map, backends, service):
    with contextlib.ExitStack() as stack:
        # Enough first ones that not all have the same source as b1 by chance.
        firsts = [stack.enter_context(FakeBackend(f"127.0.0.{60 + i}", service=service,
                                                  session=redirecting("127.0.0.2", port_of(backends[0], service))))
                  for i in range(4)]
        site = pool_site(make_site, make_map, "user john backend=b1 source=by_backend\n" + "".join(
            f"user john{i} host={first.host} port={first.port} source=by_backend\n"
            for i, first in enumerate(firsts)), services=(service,), service_count=0)
        direct = site.login(service, "john")
        assert direct.backend == "b1"
        for i, _ in enumerate(firsts):
            sent_on = site.login(service, f"john{i}")
            assert (sent_on.outcome, sent_on.backend, sent_on.real_rip) == ("ok", "b1", direct.real_rip)
        assert {first.sources[0] for first in firsts} != {direct.real_rip}


def test_a_new_destination_of_the_other_family_is_reached_from_that_family(make_site, make_map):
    with HoldingBackend("::1") as second, \
            FakeBackend("127.0.0.60", session=redirecting("::1", second.port)) as first:
        site = pool_site(make_site, make_map, f"user john host={first.host} port={first.port} source=by_backend\n"
                                              f"user jim host={first.host} port={first.port} source=v4\n",
                         services=("imap",))
        with Held(site) as held:
            held.login("john")
            assert second.sources() == {"::1": 1}
            assert site.proxy.grep("ip->family") == []  # Dovecot would have taken no source
            assert len(held.attempt("jim")) == 1
            site.proxy.wait_for_log("source pool .*v4.* IPv6")
            assert second.sources() == {"::1": 1}


def test_the_connection_counts_for_the_new_destination(make_site, make_map):
    with HoldingBackend("127.0.0.61") as second, \
            FakeBackend("127.0.0.60", session=redirecting(second.host, second.port)) as first:
        site = pool_site(make_site, make_map, f"user john host={first.host} port={first.port} source=least\n"
                                              f"user jim {second.fields()} source=least\n", services=("imap",))
        with Held(site) as held:
            for user in ("john", "jim", "john", "jim", "john", "john", "jim", "john"):
                held.login(user)
            assert second.sources() == {f"127.0.2.{i}": 2 for i in (1, 2, 3, 4)}


# ---- proxy_redirect_reauth

def moving(make_site, make_map, first, route, service="imap", moved=None, **more):
    """A site whose john is at `first`, with `route`. moved: what john's record is from then on that `first` has him."""
    settings = more.pop("settings", {})
    pmap = make_map(**settings)
    pmap.sections = more.pop("sections", POOLS)
    pmap.write()
    if "credentials" in more:
        pmap.credentials(more.pop("credentials"))
    site = make_site(f"user john {route}\n", pmap=pmap, services=(service,), **more)

    def move():
        if moved:
            move_john(site, moved)
    first.before = move
    return site


def move_john(site, route):
    site.proxymap.load(site.proxy, "".join(server.record() for server in site.backends) + f"user john {route}\n")


@contextlib.contextmanager
def reauth_backend(service="imap", **more):
    """A first backend that sends everybody to 127.0.0.99, where nobody must ever look."""
    holder = {}
    with FakeBackend("127.0.0.60", service=service, session=redirecting("127.0.0.99", 143, lambda: holder["b"].before()),
                     **more) as first:
        holder["b"] = first
        yield first


def at(first, more=""):
    return f"host={first.host} port={first.port} proxy_redirect_reauth=yes {more}"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("source", ["", "source=by_backend"], ids=["no pool", "pool"])
def test_auth_is_asked_again_and_the_login_goes_by_the_new_route(make_site, make_map, service, source):
    with reauth_backend(service) as first:
        site = moving(make_site, make_map, first, at(first), service, moved=f"backend=b2 {source}")
        reached = site.login(service, "john")
        assert (reached.outcome, reached.backend, reached.user) == ("ok", "b2", "john")
        assert reached.real_rip.startswith("127.0.2.") == bool(source)
        assert first.connections == 1


def test_what_the_passdb_remembers_is_not_enough_then(make_site, make_map, make_memcached):
    memcached = make_memcached()
    with reauth_backend() as first:
        settings = {"stores": memcached.setting, "cache_ttl": "1h", "cache_negative_ttl": "1h"}
        site = moving(make_site, make_map, first, at(first), moved=None, settings=settings)
        assert site.login("imap", "john").outcome == "temp_failed"  # so that it is remembered
        site.proxy.wait_for_log("its route still leads there")
        first.before = lambda: move_john(site, "backend=b2")
        assert site.login("imap", "john").backend == "b2"


@pytest.mark.parametrize("certificate", ["good", "strange"])
def test_the_new_routes_policy_judges_the_new_destination(make_site, make_map, certificates, certificate):
    ca, good, strange = certificates
    with FakeBackend("127.0.0.61", tls=good if certificate == "good" else strange, at_once=True) as second, \
            reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first), sections=f"tls_policy strict {{\n  ca_file = {ca}\n}}\n",
                      moved=f"host={second.host} port={second.port} tls=ssl tls_policy=strict")
        outcome = clients.login("imap", site.proxy.address("imap"), "john", "secret").outcome
        if certificate == "good":
            assert outcome == "ok" and SECRET in second.seen
        else:
            assert outcome == "temp_failed" and second.connections >= 1 and SECRET not in second.seen
            site.proxy.wait_for_log("tls_policy strict: no TLS with 127.0.0.61 .*its certificate is refused")


def test_from_a_backend_with_one_policy_to_one_with_another(make_site, make_map, certificates):
    ca, good, strange = certificates
    with FakeBackend("127.0.0.61", tls=strange) as second, reauth_backend(tls=good, at_once=True) as first:
        sections = f"tls_policy strict {{\n  ca_file = {ca}\n}}\ntls_policy others {{\n  ca_file = {strange.ca}\n}}\n"
        site = moving(make_site, make_map, first, at(first, "tls=ssl tls_policy=strict"), sections=sections,
                      moved=f"host={second.host} port={second.port} tls=starttls tls_policy=others")
        assert clients.login("imap", site.proxy.address("imap"), "john", "secret").outcome == "ok"
        assert SECRET in second.seen and first.connections == second.connections == 1


def test_where_the_new_route_has_an_unknown_policy_the_login_ends(make_site, make_map):
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first), moved="backend=b2 tls=ssl tls_policy=nobody-wrote-it")
        assert site.login("imap", "john").outcome == "temp_failed"
        site.proxy.wait_for_log("no section tls_policy nobody-wrote-it")


@pytest.mark.parametrize("service", SERVICES)
def test_where_the_route_still_leads_there_the_login_ends(make_site, make_map, service):
    with reauth_backend(service) as first:
        site = moving(make_site, make_map, first, at(first), service)
        assert site.login(service, "john").outcome == "temp_failed"
        site.proxy.wait_for_log(r"its backend 127\.0\.0\.60:\d+ names another one, but its route still leads there")
        assert first.connections == 1


def test_the_client_can_then_try_again_on_the_same_connection(make_site, make_map):
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first))
        with imaplib.IMAP4(*site.proxy.address("imap")) as client:
            for _ in range(2):
                with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"):
                    client.login("john", "pw-john")
            move_john(site, "backend=b2")
            client.login("john", "pw-john")
            assert client.list('""', "I-am-b2")[1] != [None]
        assert first.connections == 2


def test_a_user_who_is_gone_meanwhile_is_a_temporary_failure(make_site, make_map):
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first))
        first.before = lambda: site.proxymap.run(site.proxy, "delete", "user", "john")
        assert site.login("imap", "john").outcome == "temp_failed"
        site.proxy.wait_for_log("auth says no now")


def test_backends_that_send_a_login_to_and_fro_end_it(make_site, make_map):
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first))
        with FakeBackend("127.0.0.61", session=redirecting("127.0.0.99", 143,
                                                        lambda: move_john(site, at(first)))) as second:
            first.before = lambda: move_john(site, at(second))
            assert site.login("imap", "john").outcome in ("temp_failed", "refused")
            site.proxy.wait_for_log("TTL reached zero - proxies appear to be looping")
            assert first.connections + second.connections == 6  # LOGIN_PROXY_TTL is 7


@pytest.mark.parametrize("external", ["", " external"], ids=["", "external"])
def test_with_the_proxys_own_password_the_login_ends_and_auth_is_not_asked_what_it_cannot_answer(
        make_site, make_map, external):
    """Dovecot's login processes would ask by EXTERNAL, which names no user; where auth has no EXTERNAL it hangs up."""
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first, "credential=c password=pw-john"), moved="backend=b2",
                      settings={"verify": "map", "allow_fields": "password"}, credentials="credential c {\n  password = the-proxys-own\n}\n",
                      mechanisms="plain login" + external)
        assert site.login("imap", "john").outcome == "temp_failed"
        site.proxy.wait_for_log("auth can be asked about it by the user's own password alone")
        assert site.proxy.grep("unsupported authentication mechanism") == []


@pytest.mark.parametrize("external, says", [(" external", "Unexpected SASL continuation request received|"
                                                         "Redirect authentication unexpectedly failed"),
                                            ("", "unsupported authentication mechanism EXTERNAL")],
                         ids=["external", ""])
def test_without_the_plugin_dovecots_own_question_gets_no_answer(make_site, make_map, external, says):
    """Why the plugin asks in its own way. When this fails, Dovecot has learnt it."""
    with reauth_backend() as first:
        site = moving(make_site, make_map, first, at(first), moved="backend=b2", login_settings="",
                      mechanisms="plain login" + external)
        assert site.login("imap", "john").outcome == "temp_failed"
        site.proxy.wait_for_log(says)


class Lmtp(Session):
    """Sends the mail for john elsewhere, as a Dovecot does that knows where he is."""
    def lmtp(self, backend, line):
        word = line[:4].upper()
        if word == b"LHLO":
            return b"250-fake\r\n250 ENHANCEDSTATUSCODES\r\n"
        if word == b"RCPT":
            backend.before()
            return b"550 5.2.900 <john> john@127.0.0.99:24 Referral\r\n"
        return b"250 2.0.0 done\r\n"


def test_lmtp_asks_for_the_route_again_by_itself(make_site, make_map):
    with FakeBackend("127.0.0.60", service="lmtp", session=Lmtp) as first:
        site = moving(make_site, make_map, first, at(first), "lmtp",
                      moved="backend=b2 source=by_backend proxy_redirect_reauth=yes")
        reached = site.login("lmtp", "john")
        assert (reached.outcome, reached.backend) == ("ok", "b2")
