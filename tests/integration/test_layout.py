"""A Dovecot whose structures are not those that a module was built with.

In truth the module is: it is built against a copy of Dovecot's headers in which something was moved. It must then touch
nothing, and nobody may get in, nor past a policy. Where something was added that moves nothing, all goes on.
"""

import os
import re
import socket

import pytest

from harness import altered, authclient, authority, branch, clients, sanitizer
from harness.altered import DOVEADM, LOGIN, PASSDB, Place
from harness.fakebackend import FakeBackend
from harness.process import wait_until

if not altered.BUILD:
    pytest.skip("PROXYMAP_BUILD, the folder of the build, is not set", allow_module_level=True)
if sanitizer.PRELOAD:
    pytest.skip("what is built here has no sanitizers", allow_module_level=True)

IS_2_3 = branch.installed() == "2.3"


@pytest.fixture(scope="module")
def builder(workspace):
    return altered.Builder(os.path.join(workspace, "altered"))


@pytest.fixture(scope="module")
def certificates(workspace):
    ours = authority.Authority(os.path.join(workspace, "layout-ca"), "layout ca")
    return ours, ours.issue("good", ["127.0.0.60"])


def in_client(before, member="void *inserted_for_a_test;"):
    return Place("client-common.h", "client", before, member)


LOGIN_DIFFERS = [
    in_client("struct client *prev"),
    Place("client-common.h", "client_vfuncs", "void (*input)(struct client"),
    in_client("char *virtual_user"),
]
LOGIN_FITS = in_client("};")
LOGIN_SAYS = "lays out its clients otherwise"


@pytest.mark.parametrize("place", [None, LOGIN_FITS, *LOGIN_DIFFERS], ids=str)
def test_with_another_layout_nothing_is_touched_and_no_policy_passed(
        make_site, make_map, builder, certificates, place):
    authority_, certificate = certificates
    fits = place not in LOGIN_DIFFERS
    with FakeBackend("127.0.0.60", tls=certificate, at_once=True) as fake:
        pmap = make_map()
        pmap.sections = (f"tls_policy strict {{\n  ca_file = {authority_.ca}\n}}\n"
                         "source_pool out {\n  addresses = 127.0.2.2\n}\n")
        pmap.write()
        folder = f"login_plugin_dir = {os.path.dirname(builder.build(LOGIN, place))}\n" if place else ""
        site = make_site(f"user strict host={fake.host} port={fake.port} tls=ssl tls_policy=strict\n"
                         "user out backend=b1 source=out\nuser plain backend=b1\n", pmap=pmap, service_count=0, services=("imap",),
                         extra=folder + "service imap-login {\n  process_limit = 1\n}\n")
        for _ in range(2):
            assert site.login("imap", "plain").real_rip == "127.0.0.1"
        # Without a plugin that touches anything the source is Dovecot's.
        assert site.login("imap", "out").real_rip == ("127.0.2.2" if fits else "127.0.0.1")
        if fits:
            assert clients.login("imap", site.proxy.address("imap"), "strict", "secret").outcome == "ok"
            assert site.proxy.grep(LOGIN_SAYS) == []
            return
        for _ in range(2):
            assert site.login("imap", "strict").outcome == "temp_failed"
        assert fake.connections == 0
        assert len(site.proxy.grep(LOGIN_SAYS)) == 1


def in_request(before, member="void *inserted_for_a_test;"):
    return Place("auth-request.h", "auth_request", before, member)


def in_fields(before, member="void *inserted_for_a_test;"):
    return Place("auth-request.h", "auth_request_fields", before, member)


# Auth goes on, and answers each of our lookups by a temporary failure.
REQUEST_DIFFERS = [
    in_request("int refcount"),
    in_request("struct event *event"),
    in_request("char *mech_password"),
    in_request("struct auth_passdb *passdb"),
    in_request("AUTH_REQUEST_FIELDS_CONST struct auth_request_fields fields"),
    in_request("bool failed:1", "bool inserted_for_a_test:1;"),
    in_fields("const char *original_username"),
    in_fields("in_port_t local_port"),
    in_fields("struct auth_fields *extra_fields"),
    in_fields("bool skip_password_check:1", "bool inserted_for_a_test:1;"),
]
# Which blocks there are cannot be known: auth does not start.
CHAIN_DIFFERS = [
    Place("passdb.h", "passdb_module_interface", "(*preinit)(pool_t pool"),
    Place("passdb.h", "passdb_module_interface", "void (*verify_plain)("),
    Place("passdb.h", "passdb_module", "struct passdb_module_interface iface"),
    Place("auth.h", "auth", "struct auth_passdb *masterdbs"),
    Place("auth.h", "auth_passdb", "struct passdb_module *passdb"),
    Place("auth.h", "auth_passdb", "enum auth_passdb_skip skip"),
    Place("auth-settings.h", "auth_passdb_settings", "bool deny"),
    Place("auth-settings.h", "auth_settings", "const struct ip_addr *proxy_self_ips"),
    Place("mech.h", "mech_module", "const char *mech_name") if branch.release() < (2, 4, 2)
    else Place("sasl-server-private.h", "sasl_server_instance", "struct sasl_server *server"),
]
PASSDB_FITS = [
    in_request("};"),
    Place("passdb.h", "passdb_module", "unsigned int id", "bool inserted_for_a_test;"),
    Place("passdb.h", "passdb_module_interface", "};"),
]
PASSDB_SAYS = r"this Dovecot lays out its .* otherwise than the headers that proxymap was built with"
CRASHES = r"Panic: |killed with signal|Raw backtrace"


@pytest.fixture
def make_altered_site(make_site, builder):
    """A proxy whose auth process loads the passdb that was built so. Ends with the test."""
    made = []

    def make(place):
        path = builder.build(PASSDB, place)
        with altered.in_place(PASSDB, path):
            site = make_site("user plain backend=b1\n", services=("imap",))
            made.append(site)
            # Now, while its module is there: auth is started by whoever comes first.
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(site.proxy.socket("auth-client"))
                site.proxy.wait_for_log(r"proxymap: " + PASSDB_SAYS) if place not in PASSDB_FITS else first.recv(1)
                if place in CHAIN_DIFFERS:
                    site.proxy.wait_for_log(r"service\(auth\): command startup failed")
        return site
    yield make
    for site in made:
        site.proxy.stop()


@pytest.mark.parametrize("place", PASSDB_FITS, ids=str)
def test_a_passdb_goes_on_where_what_was_added_moves_nothing(make_altered_site, place):
    site = make_altered_site(place)
    assert site.login("imap", "plain").backend == "b1"
    assert site.login("imap", "plain", "wrong").outcome == "auth_failed"
    assert site.proxy.grep(PASSDB_SAYS) == []


@pytest.mark.parametrize("place", REQUEST_DIFFERS, ids=str)
def test_with_another_layout_of_requests_each_lookup_is_a_temporary_failure(make_altered_site, place):
    site = make_altered_site(place)
    for _ in range(2):
        assert site.login("imap", "plain").outcome == "temp_failed"
    with authclient.AuthMaster(site.proxy.socket("auth-userdb")) as master:
        assert master.lookup("plain", "lmtp").status == "FAIL"  # not NOTFOUND
    assert len(site.proxy.grep(PASSDB_SAYS)) == 1
    assert not site.proxy.grep(CRASHES)


@pytest.mark.parametrize("place", CHAIN_DIFFERS, ids=str)
def test_with_another_layout_of_passdb_blocks_auth_does_not_start(make_altered_site, place):
    site = make_altered_site(place)
    site.proxy.may_crash = True  # for it says Fatal
    assert not site.proxy.grep(CRASHES)
    wait_until(lambda: site.proxy.auth_pid() is None, "auth is gone")


PARAMETERS = "doveadm-cmd.h" if IS_2_3 else "doveadm-cmd-parse.h"
DOVEADM_DIFFERS = [
    Place(PARAMETERS, "doveadm_cmd_ver2", "const char *name"),
    Place(PARAMETERS, "doveadm_cmd_param", "doveadm_cmd_param_t type"),
    Place(PARAMETERS, "doveadm_cmd_context", "int argc"),
    Place("doveadm-settings.h", "doveadm_settings", "doveadm_port", "void *inserted_for_a_test[2];"),
]
DOVEADM_FITS = Place("doveadm-settings.h", "doveadm_settings", "};")


@pytest.mark.parametrize("place", [DOVEADM_FITS, *DOVEADM_DIFFERS], ids=str)
def test_a_tool_that_does_not_fit_says_so_and_does_nothing(make_tool, builder, place):
    tool = make_tool("user joe host=192.0.2.1\n")
    with altered.in_place(DOVEADM, builder.build(DOVEADM, place)):
        done = tool.dovecot.doveadm("proxymap", "get", "--config", tool.map.conf, "user", "joe", check=False)
    if place == DOVEADM_FITS:
        assert done.returncode == 0 and "192.0.2.1" in done.stdout
        return
    assert done.returncode > 0, done  # not ended by a signal
    assert re.search(r"this doveadm lays out its .* otherwise than the headers that proxymap was built with", done.stderr)
    assert "192.0.2.1" not in done.stdout
