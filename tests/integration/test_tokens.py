"""Tokens on Dovecot 2.4, whose mechanisms validate them before a passdb is asked. (2.3's do not: test_doors.py.)"""

import os

import pytest

from harness import ports, tokens
from harness.authclient import AuthClient
from harness.branch import Passdb

pytestmark = pytest.mark.only_on("2.4", "2.3 has the backend validate tokens")

CLOSED = {"result_failure": "return-fail", "result_internalfail": "return-fail"}
ROUTES = ("user john backend=b1\nuser bearer backend=b1 proxy_mech=XOAUTH2\n"
          "user own backend=b1 pass=secret master=proxymaster\n")


def token_site(make_site, workspace, settings, rules, before=(), **spec):
    folder = os.path.join(workspace, "tokens")
    return make_site(ROUTES if "stores" not in settings else None, {"allow_fields": "pass", **settings},
                     passdbs=lambda pmap: [*before, pmap.passdb(**rules)], mechanisms="plain login xoauth2", services=("imap",),
                     extra=tokens.settings(folder), **spec)


def ask(site, user, token):
    with AuthClient(site.proxy.socket("auth-client")) as client:
        return client.login(user, token, mechanism="XOAUTH2")


@pytest.fixture(scope="module", params=["backend", "map"])
def site(request, make_site, workspace):
    return token_site(make_site, workspace, {"verify": request.param, "allow_fields": "pass password"}, CLOSED)


def test_a_good_token_is_sent_on_by_a_mechanism_for_tokens(site):
    token = tokens.token("bearer")
    reply = ask(site, "bearer", token)
    assert reply.proxied and reply.fields["proxy_mech"].upper() == "XOAUTH2", reply.raw
    assert reply.fields["pass"] == token


def test_a_token_is_never_sent_as_a_password(site):
    reply = ask(site, "john", tokens.token("john"))
    assert not reply.ok, reply.raw


def test_a_credential_of_the_proxys_own_goes_in_its_place(site):
    token = tokens.token("own")
    reply = ask(site, "own", token)
    assert reply.proxied and reply.fields["pass"] == "secret", reply.raw
    assert "proxy_mech" not in reply.fields


@pytest.mark.parametrize("user, token", [
    ("bearer", lambda: tokens.token("bearer", key=b"another key")),
    ("bearer", lambda: tokens.token("john")),
    ("bearer", lambda: "no-token"),
], ids=["signed by another key", "of another user", "none at all"])
def test_a_bad_token_lets_nobody_in(site, user, token):
    reply = ask(site, user, token())  # made now, for it is good for ten minutes
    assert not reply.ok, reply.raw


def test_a_good_token_lets_nobody_in_who_has_no_route(site):
    reply = ask(site, "stranger", tokens.token("stranger"))
    assert not reply.ok, reply.raw


def test_a_good_token_lets_nobody_in_in_an_outage(make_site, workspace):
    site = token_site(make_site, workspace, {"stores": f"memcached:127.0.0.1:{ports.free_port()}", "lookup_timeout": "100ms"},
                      CLOSED)
    reply = ask(site, "bearer", tokens.token("bearer"))
    assert not reply.ok, reply.raw


@pytest.mark.parametrize("rules", [{}, {"result_failure": "return-fail"}, {"result_internalfail": "return-fail"}],
                         ids=["none", "failure", "internalfail"])
def test_auth_does_not_start_with_a_block_that_a_token_would_pass_by(make_site, workspace, rules):
    site = token_site(make_site, workspace, {}, rules)
    site.proxy.may_crash = True
    site.login("imap", "john")
    site.proxy.wait_for_log("auth_mechanisms has XOAUTH2, which lets in whom it has verified itself")


@pytest.mark.parametrize("rule", ["return", "return-fail"])
def test_auth_does_not_start_behind_a_passdb_that_ends_the_logins_of_strangers(make_site, workspace, rule):
    """A token's mechanism would let in whom that one does not know, and nobody would ask for a route."""
    site = token_site(make_site, workspace, {}, CLOSED,
                      before=[Passdb.of("passwd-file", "/dev/null", result_failure=rule)])
    site.proxy.may_crash = True
    site.login("imap", "john")
    site.proxy.wait_for_log("each passdb before it needs `result_failure = continue`")


@pytest.mark.parametrize("rules", [{}, {"result_success": "continue", **CLOSED}, {"result_success": "continue", "mechanisms": "plain"}],
                         ids=["none", "failures end", "passwords alone"])
def test_auth_does_not_start_where_a_token_could_name_a_master_instead(make_site, workspace, rules):
    """Who comes as `x*stranger` is looked up among the masters alone, and let in though no passdb knows him."""
    masters = os.path.join(workspace, "token-masters")
    with open(masters, "w", encoding="ascii") as out:
        out.write("admin:{PLAIN}admins-own\n")
    site = token_site(make_site, workspace, {}, CLOSED, before=[Passdb.of("passwd-file", masters, master="yes", **rules)])
    site.proxy.may_crash = True
    site.login("imap", "john")
    site.proxy.wait_for_log("no auth_master_user_separator while a passdb has `master = yes`")


@pytest.mark.parametrize("rule", [{"mechanisms": "plain"}, {"username_filter": "j*"}, {"skip": "authenticated"}],
                         ids=["mechanisms", "username_filter", "skip"])
def test_auth_does_not_start_with_a_block_that_skips_tokens(make_site, workspace, rule):
    site = token_site(make_site, workspace, {}, {**CLOSED, **rule})
    site.proxy.may_crash = True
    site.login("imap", "john")
    site.proxy.wait_for_log("must not have mechanisms, username_filter or skip")
