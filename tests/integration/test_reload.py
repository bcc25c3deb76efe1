"""Reload and restart under load lose no login beyond what stock Dovecot loses."""


import pytest

from harness.branch import Passdb
from harness.dovecot import STARTED_TOO_LATE
from harness.load import Load

pytestmark = pytest.mark.alone

# What the very moment decides, in four reloads: a connection that is accepted by a process about to end. Who
# loses by more than luck does so each time.
LUCK = 3
TRIES = 5


def john_logs_in(site):
    return Load(site, lambda: ("john", "pw-john"))


def reload(site):
    site.proxy.reload()


def doveadm_reload(site):
    site.proxy.doveadm("reload")


def run_under_load(site, what, times=4):
    with john_logs_in(site) as load:
        for _ in range(times):
            load.wait_for_more(20)
            what(site)
        load.wait_for_more(20)
    return load.outcomes


def lost(outcomes):
    return sum(outcomes.values()) - outcomes["ok"]


def crashes(site):
    return [line for line in site.proxy.crashes() if not STARTED_TOO_LATE.search(line)]


@pytest.fixture(scope="module")
def sites(make_site, make_memcached, backends):
    """The same route by stock Dovecot's static passdb, by memcached, and by the embedded table."""
    b1 = backends[0].spec
    static = Passdb.of("static", f"proxy=y host={b1.address} port={b1.ports['imap']} nopassword=y")
    routes, memcached = "user john backend=b1\n", make_memcached()
    made = {
        "stock": make_site(passdbs=lambda pmap: [static], services=("imap",)),
        "memcached": make_site(routes, {"stores": memcached.setting}, services=("imap",)),
        "lmdb": make_site(routes, services=("imap",)),
    }
    for site in made.values():
        site.proxy.may_crash = True  # judged by crashes() below
    return made


@pytest.mark.parametrize("store", ["memcached", "lmdb"])
@pytest.mark.parametrize("what", [reload, doveadm_reload])
def test_reload_loses_no_login_that_stock_dovecot_would_not(sites, what, store):
    tries = []
    while not tries or lost(tries[-1][1]) > lost(tries[-1][0]) + LUCK:
        assert len(tries) < TRIES, tries
        tries.append((run_under_load(sites["stock"], what), run_under_load(sites[store], what)))
        assert tries[-1][1]["auth_failed"] == 0, tries
    assert crashes(sites[store]) == []
    assert sites[store].login("imap", "john").backend == "b1"


@pytest.mark.parametrize("store", ["memcached", "lmdb"])
def test_a_restart_says_wrong_password_to_nobody(sites, store):
    site = sites[store]
    with john_logs_in(site) as load:
        load.wait_for_more(10)
        site.proxy.restart()
        load.wait_for_more(10)
    assert load.outcomes["auth_failed"] == 0, load.outcomes
    assert crashes(site) == []
    assert site.login("imap", "john").backend == "b1"
