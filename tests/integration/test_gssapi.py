"""Logins by a Kerberos ticket, with a real KDC: GSSAPI verifies users itself, and there is no password to send on."""

import os

import pytest

from harness import clients, kdc, ports
from harness.branch import Passdb

CREDENTIALS = "credential c {\n  master = proxymaster\n  password = master-secret\n}\n"
CLOSED = {"result_failure": "return-fail", "result_internalfail": "return-fail"}
NO_SEPARATOR = "auth_master_user_separator =\n"
# games and daemon have an account on every Debian. krb5_kuserok() lets those, and nobody else, come by another name
# for themselves.
PEOPLE = ("john", "bare", "stranger", "boss", "games", "daemon")
ROUTES = """\
user john backend=b1 credential=c
user games backend=b1 credential=c
user daemon backend=b2 credential=c
user bare backend=b1
"""


@pytest.fixture(scope="module")
def realm(workspace):
    with kdc.Kdc(os.path.join(workspace, "kdc"), PEOPLE) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KRB5_CONFIG", server.conf)
        yield server


@pytest.fixture(scope="module")
def make_gssapi_site(realm, make_site, make_map):
    def make(routes=ROUTES, settings=None, before=(), rules=None, behind=(), extra="", **spec):
        pmap = make_map(**{"verify": "map", "allow_fields": "password", **(settings or {})})
        pmap.credentials(CREDENTIALS)
        ours = pmap.passdb(**(CLOSED if rules is None else rules))
        return make_site(routes, pmap=pmap, passdbs=lambda _: [*before, ours, *behind], mechanisms="plain gssapi",
                         services=("imap",), extra="auth_username_format = %n\n" + realm.settings() + extra, **spec)
    return make


@pytest.fixture(scope="module")
def masters(workspace):
    """The file of a passdb with one master user."""
    path = os.path.join(workspace, "gssapi-masters")
    with open(path, "w", encoding="ascii") as out:
        out.write("admin:{PLAIN}admins-own\n")
    return path


@pytest.fixture(scope="module", params=["map", "none"])
def site(request, make_gssapi_site):
    behind = [Passdb.of("static", "password=of-the-proxy")] if request.param == "none" else []
    return make_gssapi_site(settings={"verify": request.param}, behind=behind)


@pytest.fixture(scope="module")
def login(realm):
    """login(site, principal, authzid): by that one's ticket, as that user."""
    def login(site, principal, authzid=""):
        return site.login("imap", principal, kdc.initiator(realm.ticket(principal), authzid), mechanism="GSSAPI")
    return login


# ---- tickets and routes

@pytest.mark.parametrize("authzid", ["", "john", "john@" + kdc.REALM], ids=["none", "short", "with realm"])
def test_a_ticket_reaches_its_users_backend_by_the_routes_credential(site, login, authzid):
    mark = site.backends[0].mark()
    reached = login(site, "john", authzid)
    assert (reached.backend, reached.user) == ("b1", "john")
    site.backends[0].wait_for_log("Master user logging in as john", mark)
    assert login(site, "daemon").backend == "b2"


def test_curl_reaches_its_backend_too(site, realm, monkeypatch):
    host, port = site.proxy.address("imap")
    monkeypatch.setenv("KRB5CCNAME", realm.ticket("john"))
    code, output = clients.curl(f"imap://{kdc.HOST}:{port}/", f"john@{kdc.REALM}", "", "--login-options", "AUTH=GSSAPI",
                                "--resolve", f"{kdc.HOST}:{port}:{host}")
    assert code == 0 and "I-am-b1" in output, output


def test_a_ticket_lets_nobody_in_who_has_no_route(site, login):
    assert login(site, "stranger").outcome == "auth_failed"


def test_in_an_outage_a_ticket_gets_a_temporary_failure(make_gssapi_site, login):
    site = make_gssapi_site(None, {"stores": f"memcached:127.0.0.1:{ports.free_port()}", "lookup_timeout": "100ms"})
    assert login(site, "john").outcome == "temp_failed"


def test_without_a_credential_nothing_is_sent_and_the_failure_is_temporary(site, login):
    mark, there = site.proxy.mark(), site.backends[0].mark()
    assert login(site, "bare").outcome == "temp_failed"
    site.proxy.wait_for_log("mechanism GSSAPI gives the proxy no password to send on: the route needs a credential", mark)
    assert login(site, "john").outcome == "ok"  # its line comes after all of the other's
    assert site.backends[0].grep("bare", there) == []


# ---- as somebody else

@pytest.mark.parametrize("principal, authzid", [
    ("john", "games"), ("games", "daemon"), ("games", "daemon@" + kdc.REALM), ("stranger", "john"),
    ("john", "stranger"), ("john", "games*john"), ("games", "x*games"), ("games", "daemon*games"), ("games", "games*daemon"),
])
def test_a_ticket_is_no_key_to_another_user(site, login, principal, authzid):
    assert login(site, principal, authzid).outcome == "auth_failed"


def test_whom_k5principals_names_gets_there_and_nobody_else(make_gssapi_site, workspace, login):
    path = os.path.join(workspace, "gssapi-k5principals")
    with open(path, "w", encoding="ascii") as out:
        out.write(f"john:{{PLAIN}}johns-own::::::k5principals=boss@{kdc.REALM}\n")
    site = make_gssapi_site(before=[Passdb.of("passwd-file", path, result_success="continue")])
    reached = login(site, "boss", "john")
    assert (reached.backend, reached.user) == ("b1", "john")
    assert login(site, "stranger", "john").outcome == "auth_failed"
    assert login(site, "boss", "daemon").outcome == "auth_failed"


@pytest.fixture(scope="module")
def master_site(make_gssapi_site, masters):
    return make_gssapi_site(before=[Passdb.of("passwd-file", masters, master="yes", result_success="continue")],
                            extra=NO_SEPARATOR)


@pytest.mark.parametrize("principal, authzid", [("games", "x*games"), ("games", "games*admin"), ("games", "daemon*admin"),
                                                ("stranger", "john*admin"), ("stranger", "admin")])
def test_beside_a_master_passdb_a_ticket_is_no_master(master_site, login, principal, authzid):
    assert login(master_site, principal, authzid).outcome == "auth_failed"


def test_beside_tickets_a_master_logs_in_by_an_authorization_identity(master_site, login):
    assert login(master_site, "john").backend == "b1"
    reached = master_site.login("imap", "admin", "admins-own", mechanism="PLAIN", authzid="daemon")
    assert (reached.backend, reached.user) == ("b2", "daemon")
    assert master_site.login("imap", "admin", "wrong", mechanism="PLAIN", authzid="daemon").outcome == "auth_failed"


# ---- blocks that a ticket would pass by

NOBODY = Passdb.of("passwd-file", "/dev/null")
EVERYBODY = Passdb.of("static", "password=x", result_success="continue")
WRONG_RULES = {
    "no rules": ([], {}, "its block needs `result_failure = return-fail` and `result_internalfail = return-fail`"),
    "no rule for failures": ([], {"result_internalfail": "return-fail"}, "its block needs `result_failure"),
    "no rule for outages": ([], {"result_failure": "return-fail"}, "its block needs `result_failure"),
    "other mechanisms alone": ([NOBODY], {**CLOSED, "mechanisms": "plain"}, "must not have mechanisms, username_filter or skip"),
    "some names alone": ([NOBODY], {**CLOSED, "username_filter": "j*"}, "must not have mechanisms, username_filter or skip"),
    "the authenticated are skipped": ([EVERYBODY], {**CLOSED, "skip": "authenticated"}, "username_filter or skip"),
    "others are skipped": ([NOBODY], {**CLOSED, "skip": "unauthenticated"}, "username_filter or skip"),
}


@pytest.mark.parametrize("name", list(WRONG_RULES))
def test_auth_does_not_start_with_a_block_that_a_ticket_would_pass_by(make_gssapi_site, login, name):
    before, rules, sentence = WRONG_RULES[name]
    site = make_gssapi_site(before=before, rules=rules)
    site.proxy.may_crash = True
    assert login(site, "stranger").outcome != "ok"
    assert sentence in site.proxy.wait_for_log("auth_mechanisms has GSSAPI, which lets in whom it has verified itself")
    assert sentence in site.proxy.doveadm("proxymap", "check", "--no-connect", check=False).stdout


@pytest.mark.parametrize("rules", [{}, {"result_success": "continue"}, {"result_success": "continue", **CLOSED}],
                         ids=["none", "success goes on", "failures end"])
def test_auth_does_not_start_where_a_ticket_could_name_a_master_instead(make_gssapi_site, masters, login, rules):
    """Who comes as `x*games` is looked up among the masters alone, and let in though no passdb knows him."""
    site = make_gssapi_site(before=[Passdb.of("passwd-file", masters, master="yes", **rules)])
    site.proxy.may_crash = True
    assert login(site, "games", "x*games").outcome != "ok"
    sentence = "there must be no auth_master_user_separator while a passdb has `master = yes`"
    assert sentence in site.proxy.wait_for_log("auth_mechanisms has GSSAPI, which lets in whom it has verified itself")
    assert sentence in site.proxy.doveadm("proxymap", "check", "--no-connect", check=False).stdout
