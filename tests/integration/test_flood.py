"""A flood of random names pushes no known route out of the cache.

The cache is as small as the settings allow, far too small for the flood; right after it memcached
dies, and nothing but the cache is left.
"""

import base64
import secrets
import threading

import pytest

from harness.authclient import AuthClient

# How many random names, and how many of them wait for their answer at a time. More than 50 kB of answers must never wait
# for us: auth of 2.4.1 then stops reading, and goes on never when they are read just as it stops (its connection.c).
# Refusals are short, but auth keeps them for half a second.
LET_IN, REFUSED = (100_000, 250), (50_000, 800)
CHUNK = 50  # are sent in one go

OWN = [f"own{number}" for number in range(100)]
BY_DOMAIN = [f"member{number}@example.org" for number in range(50)]
BY_DEFAULT = [f"guest{number}" for number in range(50)]


def logins(client, users):
    return [client.wait(request) for request in [client.start(user, f"pw-{user}") for user in users]]


def flood(client, count, outstanding):
    """Logs in under random names; {status: how often}."""
    room = threading.Semaphore(outstanding // CHUNK)

    def send():
        for first in range(0, count, CHUNK):
            room.acquire()
            lines = []
            for number in range(first, first + CHUNK):
                response = base64.b64encode(b"\0" + secrets.token_hex(8).encode() + b"\0pw")
                lines.append(b"AUTH\t%d\tPLAIN\tservice=imap\tsecured\tresp=%s\n" % (1_000_000 + number, response))
            client.socket.sendall(b"".join(lines))
    sender = threading.Thread(target=send)
    sender.start()
    statuses = {}
    for answered in range(1, count + 1):
        words = client.line()
        status = b"temp" if b"temp" in words or b"code=temp_fail" in words else words[0]
        statuses[status] = statuses.get(status, 0) + 1
        if answered % CHUNK == 0:
            room.release()
    sender.join()
    return statuses


@pytest.mark.alone
@pytest.mark.parametrize("times", [2, 3], ids=["known by two logins", "known by three"])
@pytest.mark.parametrize("default", [False, True], ids=["no default record", "default record"])
def test_an_outage_right_after_a_flood_costs_no_known_user_a_login(make_site, make_memcached, default, times):
    memcached = make_memcached()
    routes = "domain example.org backend=b2\n" + "".join(f"user {user} backend=b2\n" for user in OWN)
    known = OWN + BY_DOMAIN
    if default:
        routes += "default * backend=b1\n"
        known = known + BY_DEFAULT
    # On a loaded machine hundreds wait for memcached at a time, and longer than the default timeout.
    site = make_site(routes, {"stores": memcached.setting, "cache_size": "1M", "cache_ttl": "1h",
                              "lookup_timeout": "10s"}, services=("imap",), extra="auth_failure_delay = 0\n")
    with AuthClient(site.proxy.socket("auth-client"), timeout=60) as client:
        for _ in range(times):
            assert all(reply.proxied for reply in logins(client, known))
        outcome, (count, outstanding) = (b"OK", LET_IN) if default else (b"FAIL", REFUSED)
        with AuthClient(site.proxy.socket("auth-client"), timeout=60) as flooder:
            assert flood(flooder, count, outstanding) == {outcome: count}
        memcached.kill()
        replies = dict(zip(known, logins(client, known)))
        lost = {user: reply.raw for user, reply in replies.items() if not reply.proxied}
        assert lost == {}
        hosts = {user: "127.0.0.2" if user in BY_DEFAULT else "127.0.0.3" for user in known}
        assert {user: reply.fields["host"] for user, reply in replies.items()} == hosts
        # The outage is one.
        assert client.login("never-seen", "pw-never-seen").temporary
    assert site.login("imap", OWN[0]).backend == "b2"
    assert site.login("imap", BY_DOMAIN[0]).backend == "b2"
