"""A backend that answers a login with the name of another one: Dovecot 2.4 connects there, by the same route."""

import os

import pytest

from harness import authority, clients
from harness.fakebackend import FakeBackend, Session

pytestmark = pytest.mark.only_on("2.4", "2.3's proxy follows no redirects")

SECRET = b'LOGIN "john" "secret"'


def redirecting(host, port):
    """A Session that sends everybody there."""
    class Redirecting(Session):
        def imap(self, backend, line):
            tag, _, command = line.strip().partition(b" ")
            if command.split(b" ")[0].upper() in (b"AUTHENTICATE", b"LOGIN"):
                return tag + f" NO [REFERRAL imap://john@{host}:{port}/] moved\r\n".encode()
            return super().imap(backend, line)
    return Redirecting


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


@pytest.mark.parametrize("judged", ["", "tls=ssl tls_policy=strict"], ids=["no policy", "policy"])
def test_where_auth_is_asked_about_the_new_destination_the_login_ends(make_site, make_map, certificates, judged):
    """Login processes ask by EXTERNAL then, which brings no password; 2.4.5 does not even take the answer."""
    ca, good, _ = certificates
    kind = {"tls": good, "at_once": True} if judged else {}
    pmap = make_map()
    pmap.sections = f"tls_policy strict {{\n  ca_file = {ca}\n}}\n"
    pmap.write()
    with FakeBackend("127.0.0.61", **kind) as second, \
            FakeBackend("127.0.0.60", session=redirecting(second.host, second.port), **kind) as first:
        site = make_site(f"user john host={first.host} port={first.port} proxy_redirect_reauth=yes {judged}\n",
                         pmap=pmap, services=("imap",), mechanisms="plain login external")
        outcome = clients.login("imap", site.proxy.address("imap"), "john", "secret").outcome
        assert (outcome, first.connections, second.connections) == ("temp_failed", 1, 0)
        site.proxy.wait_for_log(r"proxy\(john,127.0.0.60:\d+\): Aborting due to internal error")


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
