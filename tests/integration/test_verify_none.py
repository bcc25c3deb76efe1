"""verify = none: another passdb checks the password, proxymap adds the route.

First the documented order with the page's two authenticators, SQL and LDAP. Then every other order
and rule: nobody gets in with a wrong password, and nobody gets in without a route.
"""

import os
import sqlite3
import tempfile

import pytest

from harness import branch, chains, ports
from harness.authclient import AuthClient
from harness.branch import SERVICES, Passdb
from harness.slapd import PASSWORD, SUFFIX, Slapd

ROUTES = "user john backend=b1\nuser joe backend=b2\n"
# Passwords at the authenticator; those at the backends are the same, for they are forwarded.
PEOPLE = {"john": "pw-john", "joe": "pw-joe", "routeless": "pw-routeless"}
NONE = {"verify": "none"}
CLOSED = {"result_failure": "return-fail", "result_internalfail": "return-fail"}


def sql_passdb(folder):
    os.makedirs(folder, exist_ok=True)
    database = os.path.join(folder, "users.sqlite")
    with sqlite3.connect(database) as connection:
        connection.execute("create table users (user text primary key, password text not null)")
        connection.executemany("insert into users values (?, ?)",
                               [(user, "{PLAIN}" + password) for user, password in PEOPLE.items()])
    connection.close()
    os.chmod(database, 0o644)
    conf = os.path.join(folder, "sql.conf.ext")
    with open(conf, "w", encoding="ascii") as out:
        out.write(f"driver = sqlite\nconnect = {database}\n"
                  "password_query = SELECT user, password FROM users WHERE user = '%u'\n")
    return Passdb.of("sql", conf)


def ldap_passdb(folder, slapd, bind):
    conf = os.path.join(folder, f"ldap-{'bind' if bind else 'lookup'}.conf.ext")
    with open(conf, "w", encoding="ascii") as out:
        out.write(f"uris = {slapd.uri}\nbase = {SUFFIX}\ndn = cn=admin,{SUFFIX}\ndnpass = {PASSWORD}\n"
                  "pass_filter = (&(objectClass=inetOrgPerson)(uid=%u))\n"
                  f"pass_attrs = uid=user{'' if bind else ',userPassword=password'}\n"
                  f"auth_bind = {'yes' if bind else 'no'}\ndefault_pass_scheme = PLAIN\n")
    return Passdb.of("ldap", conf)


@pytest.fixture(scope="module")
def authenticators(workspace):
    folder = os.path.join(workspace, "authenticators")
    sql = sql_passdb(folder)
    with Slapd(os.path.join(folder, "slapd"), PEOPLE) as slapd:
        yield {"sql": sql, "ldap lookup": ldap_passdb(folder, slapd, False),
               "ldap bind": ldap_passdb(folder, slapd, True)}


# What the manual says is proxymap first. Behind an authenticator that lets the login go on it works as
# well, but for one thing: Dovecot calls a login that nobody has decided a temporary failure, so that is what
# a wrong password gets.
ORDERS = {
    "proxymap first": lambda pmap, other: [pmap.passdb(**CLOSED), other],
    "proxymap last": lambda pmap, other: [Passdb(other.driver, other.args, (("result_success", "continue"),)),
                                          pmap.passdb(**CLOSED)],
}


@pytest.fixture(scope="module", params=["sql", "ldap lookup", "ldap bind"])
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=list(ORDERS))
def documented(request, kind, authenticators, make_site):
    def passdbs(pmap):
        return ORDERS[request.param](pmap, authenticators[kind])
    return make_site(ROUTES, NONE, passdbs=passdbs)


@pytest.mark.parametrize("service", SERVICES)
def test_the_orders_that_work_proxy_who_has_a_route(documented, service):
    assert documented.login(service, "john").backend == "b1"
    assert documented.login(service, "joe").backend == "b2"


def test_with_proxymap_first_a_wrong_password_is_called_wrong(make_site, authenticators):
    site = make_site(ROUTES, NONE, passdbs=lambda pmap: ORDERS["proxymap first"](pmap, authenticators["sql"]))
    assert site.login("imap", "john", "wrong").outcome == "auth_failed"


def test_the_orders_that_work_refuse_a_wrong_password_themselves(documented, kind):
    # Of a bind without a password Dovecot 2.4.5's own passdb ldap keeps the request, and auth ends by an assertion.
    wrong = ("wrong", "pw-joe") if kind == "ldap bind" and branch.release() >= (2, 4, 5) else ("wrong", "", "pw-joe")
    marks = [server.mark() for server in documented.backends]
    assert documented.login("imap", "john", "wrong").outcome in ("auth_failed", "temp_failed")
    assert documented.login("pop3", "stranger").outcome in ("auth_failed", "temp_failed")
    with AuthClient(documented.proxy.socket("auth-client")) as client:
        tried = [client.start(user, password, service=service) for service in SERVICES
                 for user in ("john", "stranger", "routeless") for password in wrong]
        assert {client.wait(request).status for request in tried} == {"FAIL"}
    for server, mark in zip(documented.backends, marks):
        assert server.grep("user=<(john|stranger)>", mark) == [], "the backend was asked"


@pytest.mark.parametrize("service", ["imap", "lmtp"])
def test_the_orders_that_work_let_nobody_in_without_a_route(documented, service):
    assert documented.login(service, "routeless").outcome in ("auth_failed", "temp_failed")


@pytest.mark.parametrize("order", list(ORDERS))
def test_the_orders_that_work_work_in_a_protocol_block(make_site, make_map, authenticators, order):
    """`protocol imap { passdb ... }`: the passdbs outside follow those inside."""
    pmap = make_map(**NONE)
    site = make_site(ROUTES, pmap=pmap, passdbs=lambda _: [Passdb.of("static", "password=not-needed")],
                     service_passdbs={"imap": ORDERS[order](pmap, authenticators["sql"])})
    assert site.login("imap", "john").backend == "b1"
    assert site.login("imap", "john", "wrong").outcome in ("auth_failed", "temp_failed")
    assert site.login("imap", "routeless").outcome in ("auth_failed", "temp_failed")


@pytest.fixture(scope="module", params=list(ORDERS))
def site_in_an_outage(request, make_site, authenticators):
    settings = {**NONE, "stores": f"memcached:127.0.0.1:{ports.free_port()}", "lookup_timeout": "100ms"}
    return make_site(None, settings, passdbs=lambda pmap: ORDERS[request.param](pmap, authenticators["sql"]))


@pytest.mark.parametrize("service", SERVICES)
def test_an_outage_of_the_map_is_a_failed_login_never_a_local_one(site_in_an_outage, service):
    assert site_in_an_outage.login(service, "john").outcome == "temp_failed"


# ---- every other order and rule

@pytest.fixture(scope="module")
def search(make_map, make_site, make_memcached, workspace):
    return chains.Search(make_map, make_site, make_memcached(), tempfile.mkdtemp(prefix="chains", dir=workspace))


def test_the_search_for_open_doors_finds_one_in_stock_dovecot(search):
    """With a stock route-only passdb in proxymap's place there are open doors: they must be found."""
    stock = Passdb.of("static", "noauthenticate=y nopassword=y proxy=y host=127.0.0.2")
    missing = Passdb.of("passwd-file", "/dev/null")
    findings = search.search([chains.Chain((missing, search.authenticator)),
                              chains.Chain((search.authenticator, stock))])
    assert any("without a route" in finding.what for finding in findings)


@pytest.mark.apart
@pytest.mark.parametrize("name", list(chains.PRODUCTS))
def test_in_no_order_and_by_no_rule_is_a_door_open(search, name):
    searched = list(chains.PRODUCTS[name](search))
    findings = search.search(searched)
    assert not findings, f"{len(findings)} open doors in {len(searched)} chains, such as\n" + \
        "\n".join(map(str, findings[:10]))
    # A search in which nobody ever got in would prove nothing. Alone, proxymap lets in nobody.
    assert (search.let_in > 0) == (name != "proxymap alone"), f"{search.let_in} got in by a route"
