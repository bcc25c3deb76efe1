"""`doveadm proxymap lookup`: who said what, how old and how sealed that is, and what becomes of it."""

import datetime
import os

import pytest

from harness.hosts import position

ROUTES = """\
backend b1 host=127.0.0.2
user john backend=b1 allow_nets=10.0.0.0/8,192.0.2.7
user jane backend=b1 allow_nets=10.0.0.0/8 allow_real_nets=10.1.0.0/16
user joe backend=b1
user max backend=b1 pass=geheim
"""
ALLOWED = {"allow_fields": "allow_nets allow_real_nets pass"}


@pytest.fixture(scope="module")
def mirror(make_memcached):
    return make_memcached()


@pytest.fixture
def tool(make_tool, mirror):
    mirror.empty()
    return make_tool(ROUTES, stores=f"{mirror.setting} lmdb", **ALLOWED)


def steps(rows, step):
    return [row for row in rows if row["step"] == step]


def is_recent(text):
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return abs((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()) < 600


def test_it_says_which_store_had_the_record_and_how_old_that_is(tool, mirror):
    before = tool.rows("status")[0]["position"]
    tool("set", "user", "other", "backend=b1")
    rows = tool.rows("lookup", "joe")
    user, = (row for row in steps(rows, "asked") if row["what"] == "user joe")
    assert is_recent(user.pop("written"))
    assert user == {"step": "asked", "what": "user joe", "store": mirror.setting, "outcome": "found", "position": before,
                    "seal": "none", "value": "backend=b1"}
    newest, = steps(rows, "map")
    assert newest["position"] == tool.rows("status")[0]["position"] != before
    assert [(row["what"], row["value"]) for row in steps(rows, "told")] == [("host", "127.0.0.2")]


def test_a_time_that_the_journal_has_let_go_is_not_shown(tool, mirror):
    *_, sequence = position(tool)
    mirror.delete(f"pm:log:{sequence}")
    user, = (row for row in steps(tool.rows("lookup", "joe"), "asked") if row["what"] == "user joe")
    assert user["outcome"] == "found" and user["written"] == ""


def test_what_a_mirror_does_not_say_the_table_does(tool, mirror):
    mirror.set("pm:marker", "nonsense")
    user = [row for row in steps(tool.rows("lookup", "joe"), "asked") if row["what"] == "user joe"]
    assert [(row["store"], row["outcome"], row["seal"]) for row in user] == [
        (mirror.setting, "unavailable", ""), ("lmdb", "found", "")]
    assert user[0]["written"] == "" and is_recent(user[1]["written"])
    assert "its marker is not understood" in user[0]["value"] and user[0]["position"] == ""


def with_keys(tool, name, key="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="):
    path = os.path.join(tool.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write(f"current = k1\nseal_key k1 {{\n  key = {key}\n}}\n")
    return path


def seal_of(tool, user, code=0):
    rows = steps(tool.rows("lookup", user, code=code), "asked")
    return next((row["outcome"], row["seal"]) for row in rows if row["what"] == f"user {user}")


def test_it_says_whether_a_record_is_sealed(make_tool, mirror):
    mirror.empty()
    tool = make_tool(stores=mirror.setting)
    tool.map.write(seal_keys_file=with_keys(tool, "keys"))
    tool("import", tool.write("routes", "backend b1 host=127.0.0.2\nuser joe backend=b1\nuser jim backend=b1\n"))
    assert seal_of(tool, "joe") == ("found", "good")
    mirror.set("pm:user:jim", mirror.get("pm:user:jim").partition(b" seal=")[0])
    assert seal_of(tool, "jim") == ("found", "none")
    mirror.set("pm:user:joe", mirror.get("pm:user:joe").replace(b"b1", b"b2"))
    assert seal_of(tool, "joe", code=75) == ("unavailable", "")
    tool("set", "user", "joe", "backend=b1", "destuser=x")
    tool.map.write(seal_keys_file=None)
    assert seal_of(tool, "joe") == ("found", "unchecked")


@pytest.mark.parametrize("user, address, outcomes, code", [
    ("john", "10.2.3.4", [("allowed", "in 10.0.0.0/8 of allow_nets")], 0),
    ("john", "192.0.2.7", [("allowed", "in 192.0.2.7 of allow_nets")], 0),
    ("john", "192.0.2.8", [("refused", "in no network of allow_nets: the login fails, whatever the password")], 77),
    ("john", "2001:db8::1", [("refused", "in no network of allow_nets: the login fails, whatever the password")], 77),
    ("jane", "10.1.0.1", [("allowed", "in 10.0.0.0/8 of allow_nets"), ("allowed", "in 10.1.0.0/16 of allow_real_nets")], 0),
    ("jane", "10.2.0.1", [("allowed", "in 10.0.0.0/8 of allow_nets"),
                          ("refused", "in no network of allow_real_nets: the login fails, whatever the password")], 77),
    ("joe", "192.0.2.8", [("allowed", "the route asks for no address")], 0),
])
def test_it_says_whether_a_client_may_log_in_from_there(tool, user, address, outcomes, code):
    rows = steps(tool.rows("lookup", "--client-ip", address, user, code=code), "client")
    assert [(row["outcome"], row["value"]) for row in rows] == outcomes
    assert {row["what"] for row in rows} == {address}


def test_lmtp_is_not_told_from_where_a_user_may_log_in(tool):
    rows = tool.rows("lookup", "--service", "lmtp", "--client-ip", "192.0.2.8", "john")
    assert [row["what"] for row in steps(rows, "told")] == ["host"]
    assert [row["outcome"] for row in steps(rows, "client")] == ["allowed"]
    assert "allow_nets" in [row["what"] for row in steps(tool.rows("lookup", "john"), "told")]


def test_what_dovecot_refuses_is_what_it_says(make_site):
    """The real thing, from two addresses."""
    site = make_site("user john backend=b1 allow_nets=127.0.0.9\n", settings={"allow_fields": "allow_nets"}, services=("imap",))
    for address, outcome, code in ("127.0.0.9", "ok", 0), ("127.0.0.10", "auth_failed", 77):
        assert site.login("imap", "john", source=address).outcome == outcome
        done = site.proxymap.run(site.proxy, "lookup", "--client-ip", address, "john", check=False)
        assert done.returncode == code, done.stdout


def test_passwords_are_not_shown(tool):
    said = tool("lookup", "max").stdout
    assert "geheim" not in said and said.count("<hidden>") == 2


@pytest.mark.parametrize("words, sentence", [
    ((), "lookup needs a user name"),
    (("--service", "smtp", "joe"), "unknown service 'smtp'"),
    (("--client-ip", "10.0.0.256", "joe"), "'10.0.0.256' is no IP address"),
    (("--client-ip", "", "joe"), "'' is no IP address"),
])
def test_wrong_options(tool, words, sentence):
    assert sentence in tool.error("lookup", *words, code=64)


@pytest.mark.parametrize("formatter", ["table", "tab", "flow", "json"])
def test_every_format(tool, formatter):
    done = tool.dovecot.doveadm("-f", formatter, "proxymap", "lookup", "--config", tool.map.conf, "joe")
    assert "user joe" in done.stdout and "newest position" in done.stdout
