"""Every protocol reaches the backend that the map names, by every kind of record."""

import pytest

from harness.branch import SERVICES

ROUTES = """
user    john                backend=b1
user    joe                 backend=b2
user    direct              {b1}
user    oneport             host=127.0.0.3 port={imap_b2}
user    special@example.org backend=b2
domain  example.org         backend=b1
domain  example.net         backend=b2
user    renamed             backend=b2 destuser=other@example.net
domain  short.test          backend=b1 destuser=%{{username}}
"""


def routes(backends, default=""):
    b1, b2 = backends
    return ROUTES.format(b1=b1.fields(), imap_b2=b2.spec.ports["imap"]) + default


@pytest.fixture(scope="module", params=["lmdb", "memcached"])
def site(request, make_site, backends, make_memcached):
    """Without a default record; the map is embedded (LMDB), or a mirror."""
    stores = "lmdb" if request.param == "lmdb" else make_memcached().setting
    return make_site(routes(backends), {"stores": stores})


@pytest.fixture(scope="module")
def default_site(make_site, backends):
    return make_site(routes(backends, "default * backend=b2\n"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_user_record_leads_to_the_backend_it_names(site, service):
    assert site.login(service, "john").backend == "b1"
    assert site.login(service, "joe").backend == "b2"


@pytest.mark.parametrize("service", SERVICES)
def test_a_record_may_name_host_and_ports_itself(site, service):
    assert site.login(service, "direct").backend == "b1"


def test_a_port_without_a_service_holds_for_the_one_asked(site):
    assert site.login("imap", "oneport").backend == "b2"


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_record_leads_all_its_users_to_its_backend(site, service):
    assert site.login(service, "anybody@example.org").backend == "b1"
    assert site.login(service, "anybody@example.net").backend == "b2"


@pytest.mark.parametrize("service", SERVICES)
def test_a_user_record_beats_its_domain_record(site, service):
    assert site.login(service, "special@example.org").backend == "b2"


@pytest.mark.parametrize("service", SERVICES)
def test_the_default_record_takes_who_has_no_other(default_site, service):
    assert default_site.login(service, "stranger").backend == "b2"
    assert default_site.login(service, "stranger@nowhere.test").backend == "b2"
    assert default_site.login(service, "john").backend == "b1"
    assert default_site.login(service, "anybody@example.org").backend == "b1"


@pytest.mark.parametrize("service", SERVICES)
def test_destuser_is_the_name_at_the_backend(site, service):
    reached = site.login(service, "renamed", "pw-other@example.net")
    assert (reached.backend, reached.user) == ("b2", "other@example.net")


def test_destuser_expands_the_login_name(site):
    reached = site.login("imap", "ann@short.test", "pw-ann")
    assert (reached.backend, reached.user) == ("b1", "ann")


@pytest.mark.parametrize("service", [s for s in SERVICES if s != "lmtp"])
def test_the_backend_decides_about_the_password(site, service):
    assert site.login(service, "john", "wrong").outcome == "auth_failed"


@pytest.mark.parametrize("service", [s for s in SERVICES if s != "lmtp"])
def test_who_is_not_in_the_map_is_an_authentication_failure(site, service):
    assert site.login(service, "stranger").outcome == "auth_failed"


def test_lmtp_to_who_is_not_in_the_map_fails_for_now(site):
    assert site.login("lmtp", "stranger").outcome == "temp_failed"


def test_lmtp_missing_local_delivers_here(make_site, backends):
    site = make_site(routes(backends), {"lmtp_missing": "local"})
    assert site.login("lmtp", "stranger").backend == "proxy"
    assert site.login("lmtp", "john").backend == "b1"


def test_names_differ_not_by_case(make_site):
    site = make_site("user Joe@Example.ORG backend=b2\ndefault * backend=b1\n")
    assert site.login("imap", "joe@example.org").backend == "b2"
    reached = site.login("imap", "JOE@example.Org", "pw-joe@example.org")
    assert (reached.backend, reached.user) == ("b2", "joe@example.org")


def test_two_records_that_differ_by_case_are_refused(make_site, make_map):
    pmap = make_map()
    site = make_site(start=False, pmap=pmap)
    pmap.load(site.proxy, "user a host=127.0.0.2\n")
    done = pmap.load(site.proxy, "user joe host=127.0.0.2\nuser JOE host=127.0.0.3\n", check=False)
    assert done.returncode != 0
    assert ":2:" in done.stderr, done.stderr
    assert "user a host=127.0.0.2" in pmap.run(site.proxy, "export").stdout, "the map changed"


def test_curl_reads_mail_through_the_proxy(site):
    from harness import clients
    code, text = clients.curl("imap://%s:%d/" % site.proxy.address("imap"), "joe", "pw-joe")
    assert code == 0 and "I-am-b2" in text
    code, text = clients.curl("pop3://%s:%d/" % site.proxy.address("pop3"), "joe", "wrong")
    assert code == 67, text  # login denied


def test_openssl_s_client_reads_mail_through_the_proxy(site):
    from harness import clients
    text = clients.s_client(site.proxy.address("imap"), "john", "pw-john", "-starttls", "imap")
    assert "I-am-b1" in text and "TLSv1" in text
