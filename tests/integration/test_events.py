"""Events, as `metric { }` blocks of stock Dovecot count them: none is lost, none comes twice.

The blocks stand there from the start, so that the very first login of a process counts.
"""

import csv
import io
import json
import os
import re
import urllib.request

import pytest

from harness import authority, branch, clients, ports
from harness.fakebackend import FakeBackend
from harness.process import wait_until

LOGIN_SERVICES = [service for service in branch.SERVICES if service != "lmtp"]
PROCESSES = ["imap", "pop3", "submission", "managesieve"]

METRICS = """
metric lookups {
  filter = event=proxymap_lookup_finished
  fields = lookup_usecs
  group_by = store outcome cache
}
metric handshakes {
  filter = event=proxymap_tls_handshake
  fields = duration_usecs
  group_by = policy result resumed protocol
}
metric sources {
  filter = event=proxymap_source_selected
  fields = connections tried
  group_by = pool source_ip
}
metric refused {
  filter = event=proxymap_login_refused
}
metric refused_for_family {
  filter = event=proxymap_login_refused and reason=*IPv4*
}
metric refused_for_nothing {
  filter = event=proxymap_login_refused and reason=*nothing*
}
metric all {
  filter = category=proxymap
}
"""

SECTIONS = """
source_pool fixed {
  addresses = 127.0.2.2
}
source_pool holed {
  addresses = 192.0.2.7 127.0.2.2
  choose = round-robin
  avoid_for = 1h
}
source_pool v6 {
  addresses = ::1
}
tls_policy strict {
  ca_file = %s
}
"""

ROUTES = """
user plain backend=b1
user fixed backend=b1 source=fixed
user holed backend=b1 source=holed
user v6 backend=b1 source=v6
user lost backend=b1 source=nobody-wrote-it
"""

# What a login process is: of its own for each login, so that each is the first one, or the same for all.
KINDS = pytest.mark.parametrize("spec", [{"service_count": 1}, {"service_count": 0}],
                                ids=["a process for each login", "one process"])


@pytest.fixture(scope="module")
def certificates(workspace):
    ours = authority.Authority(os.path.join(workspace, "event-ca"), "event ca")
    return {"ca": ours.ca, "good": ours.issue("good", ["127.0.0.60"]), "bad": ours.issue("bad", names=["else.test"])}


@pytest.fixture
def fakes(certificates):
    with FakeBackend("127.0.0.60", tls=certificates["good"], at_once=True) as good, \
            FakeBackend("127.0.0.60", tls=certificates["bad"], at_once=True) as bad:
        yield {"good": good, "bad": bad}


@pytest.fixture
def make_event_site(make_site, make_map, certificates, fakes):
    def make(metrics=METRICS, extra="", service_count=0):
        pmap = make_map()
        pmap.sections = SECTIONS % certificates["ca"]
        pmap.write()
        listener = ports.free_port()
        limits = "".join(f"service {name}-login {{\n  process_limit = 1\n}}\n" for name in PROCESSES)
        site = make_site(
            ROUTES + "".join(f"user {name} host={fake.host} port={fake.port} tls=ssl tls_policy=strict\n"
                             for name, fake in fakes.items()), pmap=pmap, service_count=service_count,
            extra=metrics + extra + (limits if service_count == 0 else "") +
            f"service stats {{\n  inet_listener http {{\n    address = 127.0.0.1\n    port = {listener}\n  }}\n}}\n")
        site.pmap = pmap
        site.openmetrics = f"http://127.0.0.1:{listener}/metrics"
        return site
    return make


class Counted:
    """What the stats process has counted, by `doveadm stats dump` and by OpenMetrics."""

    def __init__(self, site):
        self.rows = {(row["metric_name"], row["field"]): row for row in csv.DictReader(
            io.StringIO(site.proxy.doveadm("-f", "tab", "stats", "dump").stdout), delimiter="\t")}
        with urllib.request.urlopen(site.openmetrics, timeout=10) as answer:
            self.page = answer.read().decode()

    def count(self, name):
        """Events of a metric or, after an underscore each, of its groups."""
        row = self.rows.get((name, "duration"))
        return int(row["count"]) if row else 0

    def least(self, name, field):
        return int(self.rows[name, field]["min"])

    def sum(self, name, field):
        return int(self.rows[name, field]["sum"])

    def openmetrics(self, name, **labels):
        text = ",".join(f'{label}="{value}"' for label, value in labels.items())
        series = f"dovecot_{name}_total" + ("{" + text + "}" if labels else "")
        found = re.search(rf"^{re.escape(series)} (\d+)$", self.page, re.M)
        return int(found[1]) if found else 0


def wait_for_counts(site, **expected):
    """Until there are just so many of each; the last look is returned. Processes send while they end."""
    last = []

    def agree():
        last[:] = [Counted(site)]
        return all(last[0].count(name) == number for name, number in expected.items())
    try:
        wait_until(agree, "counts", pause=0.1)
    except AssertionError:
        assert {name: last[0].count(name) for name in expected} == expected
    return last[0]


@KINDS
def test_lookups_are_counted_by_store_outcome_and_cache(make_event_site, spec):
    site = make_event_site(**spec)
    services = branch.SERVICES
    for service in services:
        assert site.login(service, "plain").outcome == "ok"
    assert site.login("imap", "unknown").outcome == "auth_failed"
    assert site.login("imap", "lost").outcome == "temp_failed"
    hits = len(services) - 1
    counted = wait_for_counts(site, lookups=len(services) + 2, lookups_lmdb_found_miss=1, lookups_cache_found_hit=hits,
                              lookups_lmdb_missing_miss=1, lookups_lmdb_unavailable_miss=1)
    assert counted.least("lookups", "lookup_usecs") > 0
    assert counted.openmetrics("lookups", store="cache", outcome="found", cache="hit") == hits
    assert counted.openmetrics("lookups", store="lmdb", outcome="missing", cache="miss") == 1


@KINDS
def test_handshakes_are_counted_by_policy_result_resumption_and_protocol(make_event_site, spec):
    site = make_event_site(**spec)
    for _ in range(4):
        assert clients.login("imap", site.proxy.address("imap"), "good", "secret").outcome == "ok"
    for _ in range(2):
        assert site.login("imap", "bad").outcome == "temp_failed"
    # Sessions are remembered by the process.
    resumed = 3 if spec["service_count"] == 0 else 0
    counted = wait_for_counts(site, handshakes=6, handshakes_strict_ok=4,
                              **{"handshakes_strict_ok_yes_TLSv1.3": resumed,
                                 "handshakes_strict_ok_no_TLSv1.3": 4 - resumed,
                                 "handshakes_strict_failed_no_TLSv1.3": 2})
    assert counted.least("handshakes", "duration_usecs") > 0
    assert counted.openmetrics("handshakes", policy="strict", result="failed") == 2
    assert counted.openmetrics("handshakes", policy="strict", result="ok", resumed="no",
                               protocol="TLSv1.3") == 4 - resumed


@KINDS
def test_sources_are_counted_by_pool_and_address(make_event_site, spec):
    site = make_event_site(**spec)
    for service in LOGIN_SERVICES:
        for _ in range(2):
            assert site.login(service, "fixed").outcome == "ok"
    sum_of = 2 * len(LOGIN_SERVICES)
    counted = wait_for_counts(site, **{"sources": sum_of, "sources_fixed_127.0.2.2": sum_of})
    assert counted.openmetrics("sources", pool="fixed", source_ip="127.0.2.2") == sum_of
    assert counted.sum("sources", "tried") == 0


def test_a_source_that_was_tried_in_vain_is_counted_too(make_event_site):
    site = make_event_site()
    for _ in range(3):
        assert site.login("imap", "holed").real_rip == "127.0.2.2"
    counted = wait_for_counts(site, **{"sources_holed": 4, "sources_holed_192.0.2.7": 1, "sources_holed_127.0.2.2": 3})
    assert counted.sum("sources", "tried") == 1


@KINDS
@pytest.mark.parametrize("service", LOGIN_SERVICES)
def test_refused_logins_are_counted_with_their_reason(make_event_site, spec, service):
    site = make_event_site(**spec)
    for _ in range(3):
        assert site.login(service, "v6").outcome == "temp_failed"
    counted = wait_for_counts(site, refused=3, refused_for_family=3, refused_for_nothing=0, sources=0)
    assert counted.openmetrics("refused") == 3


def test_all_events_are_of_one_category(make_event_site):
    site = make_event_site()
    assert site.login("imap", "fixed").outcome == "ok"
    assert site.login("imap", "v6").outcome == "temp_failed"
    assert site.login("imap", "bad").outcome == "temp_failed"
    wait_for_counts(site, lookups=3, sources=1, refused=1, handshakes=1, all=6)


def test_the_tool_shows_what_was_counted_here_and_on_each_proxy(make_event_site):
    site = make_event_site(metrics=METRICS.replace("metric ", "metric proxymap_"))
    for _ in range(2):
        assert site.login("imap", "plain").outcome == "ok"
    names = {"proxymap_lookups": 2, "proxymap_lookups_lmdb_found_miss": 1, "proxymap_lookups_cache_found_hit": 1}
    wait_for_counts(site, **names)
    counted = {row["metric"]: row for row in json.loads(site.proxy.doveadm("-f", "json", "proxymap", "counters").stdout)}
    assert {name: int(counted[name]["count"]) for name in names} == names
    assert float(counted["proxymap_lookups"]["average_us"]) > 0 and counted["proxymap_all"]["average_us"] == ""

    site.pmap.write(proxy_name="p1", proxies="p1 p2=127.0.0.1:1")
    rows = json.loads(site.proxy.doveadm("-f", "json", "proxymap", "status", "--config", site.pmap.conf, "--counters",
                                         check=False).stdout)
    hits, = (row for row in rows if row["store"] == "proxy:p1/proxymap_lookups_cache_found_hit")
    assert hits["state"] == "counted" and hits["items"] == "1" and float(hits["latency_us"]) > 0
    refused, = (row for row in rows if row["state"] == "uncounted")
    assert refused["store"] == "proxy:p2" and "Connection refused" in refused["why"]


def test_without_a_stats_process_the_tool_says_so(make_event_site):
    site = make_event_site(extra="service stats {\n  unix_listener stats-reader {\n    mode = 0\n  }\n}\n")
    done = site.proxy.doveadm("proxymap", "counters", check=False)
    assert done.returncode == 75 and "stats-reader: connecting: No such file" in done.stderr


def test_a_metric_that_is_added_later_counts_from_then_on(make_event_site):
    """By a reload, and by `doveadm stats add`, which the processes that run are told."""
    site = make_event_site(metrics="")
    assert site.login("imap", "plain").outcome == "ok"
    site.proxy.doveadm("stats", "add", "lookups", "event=proxymap_lookup_finished")

    def is_counted():
        assert site.login("imap", "plain").outcome == "ok"
        return Counted(site).count("lookups") > 0
    wait_until(is_counted, "the process that ran before counts")
    before = Counted(site).count("lookups")
    for _ in range(3):
        assert site.login("imap", "plain").outcome == "ok"
    wait_for_counts(site, lookups=before + 3)
