"""Source pools: which address the proxy comes from, as the backends see it."""

import pytest

from harness import branch
from harness.holding import Held, HoldingBackend

LOGIN_SERVICES = [service for service in branch.SERVICES if service != "lmtp"]

SECTIONS = """
source_pool turns {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 ::1
  choose = round-robin
}
source_pool least {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 127.0.2.4
}
source_pool by_user {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 127.0.2.4
  choose = hash-user
}
source_pool by_backend {
  addresses = 127.0.2.1 127.0.2.2 127.0.2.3 127.0.2.4
  choose = hash-destination
}
source_pool foreign {
  addresses = ?192.0.2.7 ?127.0.2.9 ?2001:db8::7
}
source_pool broken {
  addresses = 192.0.2.7 127.0.2.8
  choose = hash-destination
}
source_pool in_turn {
  addresses = 192.0.2.7 127.0.2.8 2001:db8::7
  choose = round-robin
}
source_pool by_use {
  addresses = 192.0.2.7 127.0.2.8 2001:db8::7
}
source_pool only_foreign {
  addresses = 192.0.2.7
}
source_pool v6 {
  addresses = ::1
}
source_pool named {
  addresses = localhost
}
"""

ROUTES = """
user turns-1 backend=b1 source=turns
user least-1 backend=b1 source=least
user user-1 backend=b1 source=by_user
user user-2 backend=b2 source=by_user
user backend-1 backend=b1 source=by_backend
user backend-2 backend=b1 source=by_backend
user foreign backend=b1 source=foreign
user broken-1 backend=b1 source=broken
user broken-2 backend=b2 source=broken
user in-turn backend=b1 source=in_turn
user by-use backend=b1 source=by_use
user only-foreign backend=b1 source=only_foreign
user v6 backend=b1 source=v6
user named backend=b1 source=named
user stock backend=b1
"""


@pytest.fixture(scope="module")
def make_source_site(make_site, make_map):
    def make(text="", settings=None, **spec):
        pmap = make_map(**(settings or {}))
        pmap.sections = SECTIONS
        pmap.write()
        return make_site(ROUTES + text, pmap=pmap, **spec)
    return make


@pytest.fixture(scope="module")
def site(make_source_site):
    """One login process for each protocol, so that turns can be counted."""
    limit = "".join(f"service {name}-login {{\n  process_limit = 1\n}}\n"
                    for name in ("imap", "pop3", "submission", "managesieve"))
    return make_source_site(service_count=0, extra=limit)


def sources(site, user, count, service="imap"):
    reached = [site.login(service, user) for _ in range(count)]
    assert {one.outcome for one in reached} == {"ok"}, reached
    return [one.real_rip for one in reached]


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_round_robin_takes_turns_and_never_the_other_family(site, service):
    seen = sources(site, "turns-1", 6, service)
    assert sorted(seen) == sorted(["127.0.2.1", "127.0.2.2", "127.0.2.3"] * 2)


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_a_user_has_one_address_by_hash_user(site, service):
    assert len(set(sources(site, "user-1", 3, service))) == 1
    assert len(set(sources(site, "user-2", 3, service))) == 1


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_a_backend_sees_one_address_by_hash_destination(site, service):
    seen = {source for user in ("backend-1", "backend-2") for source in sources(site, user, 2, service)}
    assert len(seen) == 1


def test_only_addresses_of_this_host_are_used_of_those_with_a_question_mark(site):
    assert set(sources(site, "foreign", 4)) == {"127.0.2.9"}


def test_a_name_stands_for_its_addresses(site):
    assert set(sources(site, "named", 3)) == {"127.0.0.1"}


def test_without_a_pool_it_is_stock_dovecot(site):
    assert set(sources(site, "stock", 2)) == {"127.0.0.1"}


@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_an_address_that_cannot_be_bound_is_passed_over_unseen_by_the_client(make_source_site, service):
    site = make_source_site(service_count=0)
    for user in ("broken-1", "broken-2"):
        assert set(sources(site, user, 2, service)) == {"127.0.2.8"}


@pytest.mark.parametrize("user", ["in-turn", "by-use"])
@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_the_first_login_that_meets_an_unassigned_address_shows_nothing_of_it(make_source_site, service, user):
    daemon = "managesieve" if service == "sieve" else service
    site = make_source_site(service_count=0, services=(service,),
                            extra=f"service {daemon}-login {{\n  process_limit = 1\n}}\n")
    # Two turns at the most, and it was its.
    assert sources(site, user, 2, service) == ["127.0.2.8"] * 2
    site.proxy.wait_for_log("no connection can come from 192.0.2.7;")
    mark = site.proxy.mark()
    assert set(sources(site, user, 4, service)) == {"127.0.2.8"}
    assert site.proxy.grep(r"192\.0\.2\.7", mark) == []  # passed over


def test_where_no_address_can_be_bound_it_is_a_temporary_failure(make_source_site):
    site = make_source_site(extra="login_proxy_max_reconnects = 0\n")
    assert site.login("imap", "only-foreign").outcome == "temp_failed"
    assert site.login("imap", "broken-1").outcome == "ok"


@pytest.mark.parametrize("service", ["imap", "pop3"])
def test_an_ipv6_backend_is_reached_from_the_ipv6_addresses_of_a_mixed_pool(make_source_site, service):
    with HoldingBackend("::1", service) as backend:
        site = make_source_site(f"user mixed {backend.fields()} source=turns\n"
                                f"user v4 {backend.fields()} source=least\n", service_count=0)
        with Held(site) as held:
            held.login("mixed", service, count=4)
            assert backend.sources() == {"::1": 4}
            assert len(held.attempt("v4", service)) == 1
            site.proxy.wait_for_log("source pool .*least.* IPv6")


def test_a_pool_without_the_backends_family_is_a_temporary_failure(site):
    mark = site.proxy.mark()
    assert site.login("imap", "v6").outcome == "temp_failed"
    site.proxy.wait_for_log("source pool .*v6.* IPv4", mark)


def test_an_unknown_pool_is_a_temporary_failure(make_source_site):
    site = make_source_site("user john backend=b1 source=nobody-wrote-it\n")
    for service in branch.SERVICES:
        assert site.login(service, "john").outcome == "temp_failed"
    site.proxy.wait_for_log("no section source_pool nobody-wrote-it")


def test_the_default_pool_is_for_all_others(make_source_site):
    site = make_source_site(settings={"default_source_pool": "by_backend"})
    assert sources(site, "stock", 1) == sources(site, "backend-1", 1)


@pytest.mark.parametrize("user, expected", [("turns-1", ["127.0.2.1", "127.0.2.2", "127.0.2.3"] * 2),
                                            ("user-1", None), ("foreign", ["127.0.2.9"] * 6),
                                            ("broken-1", ["127.0.2.8"] * 6)])
def test_lmtp_gets_its_source_too(site, backends, user, expected):
    mark = backends[0].mark()
    for _ in range(6):
        assert site.login("lmtp", user).backend == "b1"
    lines = backends[0].grep(r"lmtp\(\d+\): Info: Connect from", mark)
    seen = [line.rpartition("Connect from ")[2] for line in lines]
    if expected is None:
        assert len(set(seen)) == 1 and seen[0].startswith("127.0.2.")
    else:
        assert sorted(seen) == sorted(expected)
