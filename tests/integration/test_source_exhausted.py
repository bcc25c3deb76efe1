"""Source addresses that run out of ports, and the preloaded library with which they last longer.

All of it in a network namespace in which the kernel has PORTS ports to give for connections. Mail
clients therefore bring ports of their own.
"""

import contextlib
import os

import pytest

from harness import modules, namespace, sanitizer
from harness.holding import Held, HoldingBackend, connect_from

FIRST, LAST = 40000, 40019
PORTS = LAST - FIRST + 1
MAIL_CLIENTS = {"source": "127.0.9.1", "first_port": 50000}

SECTIONS = """
source_pool two {
  addresses = 127.0.2.1 127.0.2.2
  choose = round-robin
}
source_pool one {
  addresses = 127.0.2.1
}
"""

LIBRARY = os.path.join(modules.stock_folder(), "login", "libproxymap_noport.so")
# As 90-proxymap.conf has it.
PRELOADED = f"import_environment = $import_environment LD_PRELOAD={LIBRARY}\n"
ONE_PROCESS = "".join(f"service {name}-login {{\n  process_limit = 1\n}}\n" for name in ("imap", "pop3"))

pytestmark = pytest.mark.skipif(bool(sanitizer.PRELOAD), reason="LD_PRELOAD is the sanitizers'")


@pytest.fixture(params=[False, True], ids=["not preloaded", "preloaded"])
def preloaded(request):
    return request.param


@pytest.fixture
def few_ports():
    with namespace.network((FIRST, LAST)):
        yield


@pytest.fixture(scope="module")
def make_exhausted_site(make_site, make_map):
    """The proxy with the plugin; or stock Dovecot, with the same addresses in login_source_ips."""
    def make(routes, preloaded=False, stock=False):
        pmap = make_map()
        pmap.sections = SECTIONS
        pmap.write()
        stock_settings = {"login_settings": ""} if stock else {}
        return make_site(routes, pmap=pmap, service_count=0, services=("imap", "pop3"), **stock_settings, extra=(
            ONE_PROCESS + (PRELOADED if preloaded else "")
            + ("login_source_ips = 127.0.2.1 127.0.2.2\n" if stock else "")))
    return make


def use_up(stack, address, backend, preloaded):
    """Takes all ports of the address, in the way in which the proxy takes its own: towards
    this backend alone when it is preloaded, else altogether."""
    for _ in range(PORTS):
        stack.enter_context(connect_from(address, (backend.host, backend.port), preloaded))
    with pytest.raises(OSError):
        connect_from(address, (backend.host, backend.port), preloaded)


@pytest.mark.parametrize("service", ["imap", "pop3"])
def test_logins_go_on_when_an_address_is_exhausted_and_not_so_with_stock_dovecot(
        few_ports, make_exhausted_site, preloaded, service):
    with HoldingBackend("127.0.0.61", service) as backend, contextlib.ExitStack() as stack:
        ours = make_exhausted_site(f"user john {backend.fields()} source=two\n", preloaded)
        stock = make_exhausted_site(f"user john {backend.fields()}\n", preloaded, stock=True)
        use_up(stack, "127.0.2.1", backend, preloaded)

        mark = ours.proxy.mark()
        with Held(ours, **MAIL_CLIENTS) as held:
            held.login("john", service, count=12)
            assert backend.sources() == {"127.0.2.2": 12}
            ours.proxy.wait_for_log("no connection can come from 127.0.2.1;", mark)  # it was tried
        backend.wait_for(0)
        with Held(stock, source="127.0.9.2", first_port=50000) as held:
            failed = held.attempt("john", service, count=6, at_once=6)
            assert len(failed) == 3, failed  # it takes turns, and does not turn to the other one
            assert backend.sources() == {"127.0.2.2": 3}


def test_an_address_that_the_proxy_itself_has_exhausted_is_passed_over(few_ports, make_exhausted_site, preloaded):
    with HoldingBackend("127.0.0.61") as backend:
        site = make_exhausted_site(f"user one {backend.fields()} source=one\n"
                                   f"user two {backend.fields()} source=two\n", preloaded)
        with Held(site, **MAIL_CLIENTS) as held:
            held.login("one", count=PORTS)
            assert len(held.attempt("one")) == 1
            held.login("two", count=PORTS)
            assert backend.sources() == {"127.0.2.1": PORTS, "127.0.2.2": PORTS}


def test_when_all_are_exhausted_it_is_a_temporary_failure_until_there_are_ports_again(
        few_ports, make_exhausted_site, preloaded):
    with HoldingBackend("127.0.0.61") as backend:
        site = make_exhausted_site(f"user john {backend.fields()} source=two\n", preloaded)
        with Held(site, **MAIL_CLIENTS) as held:
            held.login("john", count=2 * PORTS)
            failed = held.attempt("john", count=2, at_once=2)
            assert [b"[UNAVAILABLE]" in line for line in failed] == [True, True]
            backend.disconnect_all()
        with Held(site, source="127.0.9.2", first_port=50000) as held:
            held.login("john", count=3)


def test_a_preloaded_proxy_has_all_ports_of_an_address_for_each_backend(few_ports, make_exhausted_site, preloaded):
    with HoldingBackend("127.0.0.61") as first, HoldingBackend("127.0.0.62") as second:
        site = make_exhausted_site(f"user first {first.fields()} source=one\n"
                                   f"user second {second.fields()} source=one\n", preloaded)
        with Held(site, **MAIL_CLIENTS) as held:
            held.login("first", count=PORTS)
            failed = held.attempt("second", count=PORTS, at_once=PORTS)
            assert first.sources() == {"127.0.2.1": PORTS}
            if preloaded:
                assert failed == [] and second.sources() == {"127.0.2.1": PORTS}
            else:
                assert len(failed) == PORTS and not second.sources()


def test_preloading_changes_nothing_else(make_site):
    """Every protocol, from clients to backends and from Dovecot's processes to one another."""
    site = make_site("user john backend=b1\n", extra=PRELOADED)
    for service in ("imap", "pop3", "lmtp", "submission", "sieve"):
        reached = site.login(service, "john")
        assert (reached.outcome, reached.backend) == ("ok", "b1")
    with Held(site) as held:
        held.login("john")
        pid, = site.proxy.child_pids("imap-login")
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            assert LIBRARY in maps.read()
    assert not site.proxy.grep("noport|ld.so")
