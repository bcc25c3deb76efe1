"""Settings in dovecot.conf itself: Dovecot 2.4. (The other tests there have theirs written into it by the harness.)"""

import os
import re
import subprocess

import pytest

from harness import documents
from harness.backend import MASTER_PASSWORD, MASTER_USER
from harness.branch import Spec
from harness.dovecot import Dovecot

pytestmark = pytest.mark.only_on("2.4", "2.3 knows nothing of a module's settings")


def doveconf(conf, *args):
    return subprocess.run(["doveconf", "-n", "-c", conf, *args], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def make_conf(workspace):
    """make_conf(text): the path of a dovecot.conf that ends with that text."""
    folder = os.path.join(workspace, "native")
    server = Dovecot(Spec(name="native", folder=folder), services=())

    def make(text):
        server.spec.extra = text
        server.write_conf()
        return server.conf
    return make


def test_the_sample_is_read_as_it_is_and_uncommented(make_conf):
    sample = documents.read("conf.d/2.4/90-proxymap.conf")
    assert doveconf(make_conf(sample)).stderr == ""
    # Its own blocks twice over would be another configuration: the settings and sections alone.
    settings = sample[sample.index("## The map"):]
    uncommented = re.sub(r"(?m)^#(proxymap_\w+ =|proxymap_\w+ \w+ \{|  \w+ = |\})", r"\1", settings)
    done = doveconf(make_conf(uncommented), "-P")
    assert done.stderr == ""
    assert "proxymap_tls_policy strict {\n  ca_file = /etc/dovecot/backend-ca.pem\n" in done.stdout
    assert re.search(r"proxymap_credential site {\n(  .*\n)*  password_file = /etc", done.stdout)


@pytest.mark.parametrize("text, says", [
    ("proxymap_verify = maybe\n", 'proxymap_verify = "maybe": it must be backend, map or none'),
    ("proxymap_lookup_timeout = 10\n", 'proxymap_lookup_timeout = "10": the time has no unit'),
    ("passdb proxymap {\n  proxymap_cache_ttl = 8d\n}\n", 'proxymap_cache_ttl = "8d": it must be 1s to 7d'),
    ("proxymap_tls_policy a {\n  min_protocol = SSLv3\n}\n",
     'proxymap_tls_policy_min_protocol = "SSLv3": it must be TLSv1.2 or TLSv1.3'),
    ("proxymap_source_pool a {\n  choose = any\n}\n", 'proxymap_source_pool_choose = "any"'),
    ("proxymap_credential a {\n  password = x\n}\n", "Unknown setting: password"),
    ("proxymap_verfy = map\n", "Unknown setting: proxymap_verfy"),
])
def test_doveconf_refuses_a_wrong_setting_with_our_sentence(make_conf, text, says):
    assert says in doveconf(make_conf(text)).stderr


def test_the_tool_goes_by_the_settings_of_the_passdb_block(make_site, make_map):
    """Without --config; where there are several blocks, by those of the first one."""
    other = make_map()
    site = make_site("user john backend=b1\n", services=("imap",), extra=f"proxymap_table = {other.folder}/elsewhere\n")
    listed = site.proxy.doveadm("-f", "tab", "proxymap", "list").stdout
    assert "john" in listed
    assert site.proxy.doveadm("proxymap", "check", "--config").stdout == "proxymap_ settings: ok\n"
    site.proxy.doveadm("proxymap", "set", "user", "joe", "backend=b2")
    assert site.login("imap", "joe").backend == "b2"


def test_what_goes_not_together_is_found_before_a_start(make_conf):
    conf = make_conf("passdb proxymap {\n  proxymap_verify = map\n}\n")
    done = subprocess.run(["doveadm", "-c", conf, "proxymap", "check", "--config"], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert done.stderr.startswith("proxymap_ settings: verify = map checks the record's field password")


def test_a_credential_stands_beside_the_settings_and_its_password_in_a_file(make_site, make_map):
    pmap = make_map(verify="map", allow_fields="password", default_credential="site")
    path = os.path.join(pmap.folder, "password")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write(MASTER_PASSWORD + "\n")
    pmap.sections = f"credential site {{\n  master = {MASTER_USER}\n  password_file = {path}\n}}\n"
    pmap.write()
    site = make_site("user john backend=b1 password={PLAIN}secret\n", pmap=pmap, services=("imap",))
    john = site.login("imap", "john", "secret")
    assert (john.backend, john.user) == ("b1", "john")
    assert site.login("imap", "john", "wrong").outcome == "auth_failed"


def test_a_block_of_auth_workers_does_not_start(make_site):
    site = make_site("user john backend=b1\n", passdbs=lambda pmap: [pmap.passdb(use_worker="yes")], services=("imap",))
    site.proxy.may_crash = True
    assert site.login("imap", "john").outcome != "ok"
    site.proxy.wait_for_log("must not have use_worker = yes")


def test_blocks_with_the_same_settings_share_one_map(make_site, make_map):
    """As on 2.3: each protocol's passdbs are made anew, but not the cache, the threads and the table behind them."""
    pmap = make_map()
    site = make_site("user john backend=b1\n", pmap=pmap, service_passdbs={"pop3": [pmap.passdb()]})
    for service in ("imap", "pop3", "submission"):
        assert site.login(service, "john").backend == "b1"
    with open(f"/proc/{site.proxy.auth_pid()}/maps", encoding="utf-8") as maps:
        tables = {line.split()[0] for line in maps if line.rstrip().endswith("data.mdb")}
    assert len(tables) <= 1, tables


def test_the_settings_of_2_3_are_printed_in_the_words_of_2_4(make_conf, make_map):
    pmap = make_map(stores="memcached:[::1]:11211 lmdb", cache_ttl="2h", default_tls_policy="strict",
                    table='"/var/lib/a # b/100%{user}"')
    pmap.sections = "tls_policy strict {\n  ca_file = /etc/ssl/ca.pem\n  min_protocol = TLSv1.3\n}\n"
    pmap.write()
    conf = make_conf("")
    done = subprocess.run(["doveadm", "-c", conf, "proxymap", "convert", pmap.conf], capture_output=True, text=True, check=True)
    shown = doveconf(make_conf(done.stdout))
    assert shown.stderr == ""
    for line in ("proxymap_cache_ttl = 2h", "proxymap_stores = memcached:[::1]:11211 lmdb", "min_protocol = TLSv1.3"):
        assert f"  {line}\n" in shown.stdout
    assert "a # b/100%{user}" in shown.stdout
    checked = subprocess.run(["doveadm", "-c", conf, "proxymap", "check", "--config"], capture_output=True, text=True, check=False)
    assert "/etc/ssl/ca.pem" in checked.stderr  # which is not there: so far it was right
