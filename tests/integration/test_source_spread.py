"""How often each source address is used: counts that all login processes of the host share."""

import contextlib
import multiprocessing
import os
import resource
import signal
from types import SimpleNamespace

import pytest

from harness import namespace
from harness.holding import Held, HoldingBackend
from harness.process import wait_until

ADDRESSES = ["127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.4"]
POOL = f"source_pool least {{\n  addresses = {' '.join(ADDRESSES)}\n}}\n"


@pytest.fixture
def backend():
    """In a network namespace of its own: nobody else's connections, and ports for all of ours."""
    with namespace.network((10000, 65000)), HoldingBackend("127.0.0.61") as server:
        yield server


@contextlib.contextmanager
def many_open_files(count):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, before[0]), max(count, before[1])))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def make_spread_site(make_site, make_map, backend):
    """Everybody is `held` and lives on the backend."""
    def make(**spec):
        pmap = make_map()
        pmap.sections = POOL
        pmap.write()
        return make_site(f"user held {backend.fields()} source=least\n", pmap=pmap,
                         services=("imap", "pop3"), **spec)
    return make


def processes(count, clients):
    """Both login services with so many processes at the most, each with so many clients at the most."""
    return "".join(f"service {name}-login {{\n  process_limit = {count}\n  client_limit = {clients}\n"
                   f"  vsz_limit = 0\n}}\n" for name in ("imap", "pop3"))


# Either a process for each login, or several that have several logins each.
# expected: processes for eight logins.
MANY = pytest.mark.parametrize("spec, expected", [({"service_count": 1}, 8),
                                                  ({"service_count": 0, "extra": processes(4, 3)}, 3)],
                               ids=["a login for each process", "three logins for each process"])


def each(count):
    return {address: count for address in ADDRESSES}


@MANY
def test_least_used_counts_over_processes(make_spread_site, backend, spec, expected):
    site = make_spread_site(**spec)
    with Held(site) as held:
        held.login("held", count=8)
        wait_until(lambda: len(site.proxy.child_pids("imap-login")) == expected, f"{expected} processes")
        assert backend.sources() == each(2)


@MANY
def test_least_used_counts_over_protocols(make_spread_site, backend, spec, expected):
    site = make_spread_site(**spec)
    with Held(site) as held:
        for service in ["imap", "pop3"] * 4:
            backend.speaks = service
            held.login("held", service)
        assert backend.sources() == each(2)


@MANY
def test_a_session_that_ends_counts_no_more(make_spread_site, backend, spec, expected):
    site = make_spread_site(**spec)
    with Held(site) as held, Held(site) as gone:
        held.login("held", count=4)
        gone.login("held", count=4)
        gone.close()
        backend.wait_for(4)
        assert backend.sources() == each(1)

        # The backend hears of an end a moment before the login process counts it.
        def are_counted_no_more():
            with Held(site) as more:
                more.login("held", count=4)
                if backend.sources() == each(2):
                    return True
            backend.wait_for(4)
            return False
        wait_until(are_counted_no_more, "the counts are those of the sessions that are left")


@MANY
@pytest.mark.parametrize("how_many", ["one", "all"])
def test_a_killed_process_counts_no_more(make_spread_site, backend, spec, expected, how_many):
    site = make_spread_site(**spec)
    site.proxy.may_crash = True
    with Held(site) as held:
        held.login("held", count=8)
        pids = wait_until(lambda: len(found := site.proxy.child_pids("imap-login")) == expected and found,
                          f"{expected} processes")
        for pid in pids if how_many == "all" else pids[:1]:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: backend.sources().total() <= (0 if how_many == "all" else 7), "sessions end")
        wait_until(lambda: not set(pids[:1]) & set(site.proxy.child_pids("imap-login")), "the process is gone")
        backend.catch_up()
        left = backend.sources().total()

        def is_evened_out():
            with Held(site) as more:
                more.login("held", count=8 - left)
                if backend.sources() == each(2):
                    return True
            backend.wait_for(left)
            return False
        wait_until(is_evened_out, "the counts are those of the living")  # they are looked through each second


def hold(address, count, pipe):
    """A process of mail clients. Says which logins failed, and keeps the others until it is told to end."""
    with Held(SimpleNamespace(proxy=SimpleNamespace(address=lambda service: address))) as held:
        pipe.send(held.attempt("held", count=count, at_once=50))
        pipe.recv()


@pytest.mark.alone
def test_ten_thousand_connections_are_spread_within_five_percent(make_spread_site, backend):
    count, share = 10_000, 10_000 / len(ADDRESSES)
    with many_open_files(count + 1000):
        site = make_spread_site(service_count=0, extra=processes(4, 3000))
        ours, its = multiprocessing.Pipe()
        clients = multiprocessing.get_context("spawn").Process(target=hold, args=(site.proxy.address("imap"), count, its),
                                                               daemon=True)
        clients.start()
        its.close()
        assert ours.recv() == []
        sources, busy = backend.sources(), len(site.proxy.child_pids("imap-login"))
        ours.send("end")
        clients.join()
    assert busy == 4
    assert sources.total() == count and set(sources) == set(ADDRESSES)
    assert all(abs(used - share) <= 0.05 * share for used in sources.values()), sources
