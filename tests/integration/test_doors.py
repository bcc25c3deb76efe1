"""Doors that must stay shut. A door is tried by talking to auth itself, where nothing is polite.

Each test also shows that the same proxy does let in who should get in: a proxy that answers nobody
would pass every other assertion.
"""

import os

import pytest

from harness.authclient import AuthClient, AuthMaster
from harness.branch import Passdb

NO_PASSWORD_OF_ANYONE = "no password of anyone"
CREDENTIALS = "credential c {\n  master = proxymaster\n  password = master-secret\n}\n"


def auth(site):
    return AuthClient(site.proxy.socket("auth-client"))


@pytest.fixture(scope="module")
def site(make_site):
    """The main case: verify = backend, with a default record."""
    return make_site("user john backend=b1\ndefault * backend=b2\n")


def test_the_proxy_is_alive(site):
    assert site.login("imap", "john").backend == "b1"


# ---- other clients of auth: an open relay

@pytest.mark.parametrize("service", ["smtp", "xmpp", "", "doveadm", "SMTP", "imap ", "managesieve-login", "any",
                                     "imap\tsmtp"])
@pytest.mark.parametrize("nologin", [False, True])
def test_another_service_cannot_log_in_with_just_any_password(site, service, nologin):
    more = {"nologin": ""} if nologin else {}
    with auth(site) as client:
        reply = client.login("john", NO_PASSWORD_OF_ANYONE, service=service, **more)
        assert reply.status in ("FAIL", "GONE"), reply.raw


def test_a_service_taken_out_of_backend_services_cannot_log_in(make_site):
    site = make_site("user john backend=b1\n", {"backend_services": "imap"})
    assert site.login("imap", "john").backend == "b1"
    assert site.login("pop3", "john").outcome == "auth_failed"
    with auth(site) as client:
        assert client.login("john", NO_PASSWORD_OF_ANYONE, service="pop3").status == "FAIL"


def test_the_passdb_behind_it_still_serves_other_services(make_site):
    site = make_site("user john backend=b1\n",
                     passdbs=lambda pmap: [pmap.passdb(result_internalfail="return-fail"),
                                           Passdb.of("static", "password=relay-%u")])
    with auth(site) as client:
        assert client.login("john", "relay-john", service="smtp").ok
        assert client.login("john", NO_PASSWORD_OF_ANYONE, service="smtp").status == "FAIL"


# Each of these blocks would let somebody in without a route, or by a password that nobody checked.
WRONG_BLOCKS = {
    "another passdb serves in an outage": ({}, {}, "result_internalfail = return-fail"),
    "an unchecked password counts as checked": ({"result_success": "continue"}, {}, "result_success = continue"),
    "a failure is a success": ({"result_failure": "return-ok"}, {}, "result_failure"),
    "an outage is a success": ({"result_internalfail": "continue-ok"}, {}, "result_internalfail"),
    "a master password for everybody": ({"default_fields": "master=m pass=p"}, {}, "default_fields"),
    "a destination of its own": ({"override_fields": "host=127.0.0.9"}, {}, "override_fields"),
    "the passdb behind it takes a wrong password": ({"result_internalfail": "return-fail"},
                                                    {"result_failure": "return-ok"}, "no other passdb"),
}


@pytest.mark.parametrize("name", list(WRONG_BLOCKS))
def test_auth_does_not_start_with_a_block_that_would_let_somebody_in(make_site, name):
    ours, others, sentence = WRONG_BLOCKS[name]
    other = Passdb("static", "password=of-the-proxy", tuple(others.items()))
    site = make_site("user john backend=b1\n", passdbs=lambda pmap: [pmap.passdb(**ours), other], start=False)
    site.proxy.may_crash = True
    site.proxy.start()
    site.login("imap", "john", "of-the-proxy")
    assert sentence in site.proxy.wait_for_log(r"auth: Fatal: passdb proxymap: ")


# ---- master users

def test_a_master_block_does_not_let_auth_start(make_site):
    site = make_site("user john backend=b1\n",
                     passdbs=lambda pmap: [pmap.passdb(master="yes"), pmap.passdb()], start=False)
    site.proxy.may_crash = True
    site.proxy.start()
    site.proxy.wait_for_log(r"auth: Fatal: .*master = yes")
    assert site.login("imap", "john*anyone", NO_PASSWORD_OF_ANYONE).outcome != "ok"


@pytest.mark.parametrize("user, authzid", [("john*anyone", ""), ("john*john", ""), ("anyone", "john"),
                                           ("john*", ""), ("*john", ""), ("john*proxymaster", "")])
def test_a_master_login_without_a_master_passdb_is_refused(site, user, authzid):
    with auth(site) as client:
        tried = [client.start(user, password, authzid=authzid)
                 for password in (NO_PASSWORD_OF_ANYONE, "", "pw-john")]
        for reply in map(client.wait, tried):
            if reply.ok:
                # Not a master login to auth, then: the whole name is what goes to the backend.
                # (Dovecot takes john*john for john himself: his backend will check his password.)
                expected = "john" if user == "john*john" else user
                assert reply.fields["user"] == expected and "master" not in reply.fields, reply.raw


@pytest.fixture(scope="module")
def master_site(make_site, make_map, workspace):
    """A real master passdb before it, and a route with a credential."""
    masters = f"{workspace}/doors-masters"
    with open(masters, "w", encoding="ascii") as out:
        out.write("admin:{PLAIN}admins-own\n")
    pmap = make_map(verify="map", allow_fields="password")
    pmap.credentials(CREDENTIALS)
    return make_site("user john backend=b1 credential=c password=johns-own\n"
                     "user own backend=b1 password=pw-own\n", pmap=pmap,
                     passdbs=lambda m: [Passdb.of("passwd-file", masters, master="yes",
                                                  result_success="continue"), m.passdb()])


def test_a_verified_master_logs_in_by_a_route_with_its_own_credential(master_site):
    assert master_site.login("imap", "john*admin", "admins-own").backend == "b1"
    assert master_site.login("imap", "john", "johns-own").backend == "b1"


@pytest.mark.parametrize("user", ["john*admin", "john*anyone"])
@pytest.mark.parametrize("password", ["wrong", "", "johns-own", NO_PASSWORD_OF_ANYONE])
def test_a_master_with_a_wrong_password_gets_nowhere(master_site, user, password):
    assert master_site.login("imap", user, password).outcome == "auth_failed"


def test_a_master_login_never_sends_the_masters_password_to_a_backend(master_site):
    mark = master_site.backends[0].mark()
    assert master_site.login("imap", "own*admin", "admins-own").outcome != "ok"
    assert master_site.backends[0].grep("static|passwd-file", mark) == []


# ---- records that would decide who gets in

FORBIDDEN = ["proxy", "proxy=y", "proxy_maybe=y", "proxy_always=y", "nopassword=y", "noauthenticate=y", "fail=y",
             "userdb_uid=0", "userdb_home=/", "nodelay=y", "lip=127.0.0.1", "source_ip=127.0.0.5", "=y", "nopassword",
             "NOPASSWORD=y", "nopassword =y", "forward_=x", "user_=x", "reason=\"a\tb\""]


@pytest.mark.parametrize("field", FORBIDDEN)
def test_the_tool_refuses_a_record_that_decides_who_gets_in(site, field):
    before = site.proxymap.run(site.proxy, "export").stdout
    done = site.proxymap.load(site.proxy, f"user ok host=127.0.0.2\nuser evil host=127.0.0.2 {field}\n",
                              check=False)
    assert done.returncode != 0 and ":2:" in done.stderr, done.stderr
    assert site.proxymap.run(site.proxy, "export").stdout == before


@pytest.mark.parametrize("field", ["pass=x", "password=x", "allow_nets=127.0.0.0/8", "nologin=yes", "user=root",
                                   "delay_until=1"])
def test_the_tool_refuses_a_field_that_allow_fields_does_not_name(site, field):
    done = site.proxymap.load(site.proxy, f"user evil host=127.0.0.2 {field}\n", check=False)
    assert done.returncode != 0 and "allow_fields" in done.stderr, done.stderr


@pytest.fixture(scope="module")
def mirror(make_memcached):
    return make_memcached()


WRITTEN_BY_HAND = [field for field in FORBIDDEN if "\t" not in field] + [
    "pass=x", "allow_nets=127.0.0.0/8", "nologin=yes", "user=root", "x\ny=z", "reason=a\nb", "reason=\"a\nb\"",
    "reason=\"a\tb\"", "destuser=a\tnopassword"]


@pytest.fixture(scope="module")
def mirror_site(make_site, mirror):
    """A map in a memcached that somebody else may write to. evil0, evil1 ...: one user a field above."""
    return make_site("".join(f"user evil{n} backend=b1\n" for n in range(len(WRITTEN_BY_HAND)))
                     + "user john backend=b1\nuser fine backend=b1\n", {"stores": mirror.setting})


def write_by_hand(mirror, user, fields):
    """Adds fields to a record in memcached itself, in front of the position that it has."""
    record, _, position = mirror.get(f"pm:user:{user}").decode().rpartition(" pos=")
    mirror.set(f"pm:user:{user}", f"{record} {fields} pos={position}")


def test_a_record_written_by_hand_is_used_when_it_is_right(mirror_site, mirror):
    """So that the refusals below are about the fields."""
    write_by_hand(mirror, "fine", "destuser=other")
    assert mirror_site.login("imap", "fine", "pw-other").user == "other"


@pytest.mark.parametrize("number", range(len(WRITTEN_BY_HAND)), ids=map(repr, WRITTEN_BY_HAND))
def test_the_plugin_refuses_a_record_that_decides_who_gets_in(mirror_site, mirror, number):
    user = f"evil{number}"
    write_by_hand(mirror, user, WRITTEN_BY_HAND[number])
    with auth(mirror_site) as client:
        reply = client.login(user, f"pw-{user}")
        assert reply.temporary, reply.raw
    with AuthMaster(mirror_site.proxy.socket("auth-master")) as master:
        reply = master.lookup(user)
        assert reply.status == "FAIL", reply.raw
    assert mirror_site.login("imap", "john").backend == "b1"
    assert mirror_site.proxy.crashes() == []


# ---- who chooses the destination

@pytest.mark.parametrize("user", ["x@127.0.0.1", "x@127.0.0.66", "x@backend.test", "127.0.0.66",
                                  "x%127.0.0.66", "x@[127.0.0.66]", "x@%{host}", "%{domain}@127.0.0.66"])
def test_a_login_name_does_not_choose_its_destination(site, user):
    with auth(site) as client:
        reply = client.login(user, "pw")
        if reply.ok:  # the default record
            assert reply.fields["host"] == "127.0.0.3", reply.raw


@pytest.mark.parametrize("field", ["host=%{domain}", "host=%{user}", "hostip=%{domain}", "port=%{user}",
                                   "backend=%{domain}", "master=%{user}", "credential=%{user}", "host=%d"])
def test_a_destination_does_not_expand(site, field):
    done = site.proxymap.load(site.proxy, f"domain example.org host=127.0.0.2\ndomain x {field}\n", check=False)
    assert done.returncode != 0 and ":2:" in done.stderr, done.stderr


@pytest.mark.parametrize("user", ["a\tproxy", "a\nb", "a\rb", "a\x01t", "a b", "a\x00b", "%{user}", "%u", "ü", "", "x" * 600])
def test_an_expanded_name_adds_no_field(make_shared_expanding_site, user):
    site = make_shared_expanding_site
    with auth(site) as client:
        reply = client.login(user.replace("\0", ""), "pw", response=b"\0" + user.encode() + b"\0pw")
        if reply.ok:
            assert set(reply.fields) <= {"user", "proxy", "host", "port", "destuser", "pass", "nopassword",
                                         "forward_who"}, reply.raw
            assert reply.fields["host"] == "127.0.0.2"
    assert site.proxy.crashes() == []


@pytest.fixture(scope="module")
def make_shared_expanding_site(make_site):
    return make_site("default * backend=b1 destuser=%{user} forward_who=%{username}\n",
                     extra="auth_username_chars =\n")


# ---- a secret of the proxy's own opens nothing by itself

@pytest.mark.parametrize("fields", ["backend=b1 credential=c", "backend=b1 proxy_noauth=yes",
                                    "backend=b1 proxy_mech=EXTERNAL",
                                    "backend=b1 pass=pw-john"])
def test_verify_backend_never_logs_in_with_a_secret_of_its_own(make_site, make_map, fields):
    """Nobody would have checked the client's password."""
    pmap = make_map(allow_fields="pass")
    pmap.credentials(CREDENTIALS)
    site = make_site(f"user john {fields}\nuser fine backend=b1\n", pmap=pmap)
    with auth(site) as client:
        tried = [client.start("john", NO_PASSWORD_OF_ANYONE, service=service)
                 for service in ("imap", "pop3", "submission", "sieve", "lmtp")]
        assert [client.wait(request).status for request in tried] == ["FAIL"] * 5
    assert site.login("imap", "john", NO_PASSWORD_OF_ANYONE).outcome != "ok"
    assert site.login("imap", "fine").backend == "b1"


@pytest.mark.parametrize("password", ["", NO_PASSWORD_OF_ANYONE, "{PLAIN}johns-own"])
def test_verify_map_takes_the_records_password_only(make_site, password):
    site = make_site("user john backend=b1 password=johns-own pass=pw-john\nuser none backend=b1\n",
                     {"verify": "map", "allow_fields": "password pass"})
    for user in ("john", "none"):
        with auth(site) as client:
            assert client.login(user, password).status == "FAIL"
    assert site.login("imap", "john", "johns-own").backend == "b1"


@pytest.mark.only_on("2.3", "2.4 validates tokens itself: test_tokens.py")
def test_a_token_is_never_sent_as_a_password(make_site):
    site = make_site("user john backend=b1\nuser bearer backend=b1 proxy_mech=XOAUTH2\n",
                     mechanisms="plain login xoauth2")
    with auth(site) as client:
        reply = client.login("john", "token", mechanism="XOAUTH2")
        assert not reply.ok, reply.raw
        reply = client.login("bearer", "token", mechanism="XOAUTH2")
        assert reply.proxied and reply.fields["proxy_mech"].upper() == "XOAUTH2", reply.raw


def test_a_credentials_file_that_others_may_read_does_not_let_auth_start(make_site, make_map):
    pmap = make_map()
    pmap.credentials(CREDENTIALS)
    site = make_site("user john backend=b1\n", pmap=pmap, start=False)
    os.chmod(pmap.settings["credentials_file"], 0o644)
    site.proxy.may_crash = True
    done = pmap.run(site.proxy, "check", check=False)
    assert done.returncode != 0 and "credentials" in done.stderr + done.stdout
    site.proxy.start()
    site.login("imap", "john")
    # Dovecot may log that auth has ended in front of what auth said, and starts it again meanwhile.
    site.proxy.wait_for_log(r"auth: Fatal: .*proxymap-credentials\.conf\.ext")
