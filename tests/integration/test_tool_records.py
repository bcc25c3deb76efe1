"""`doveadm proxymap` set, unset, delete, get, list, backend: one record or one question at a time."""

import os

import pytest

ROUTES = """\
backend b1 host=127.0.0.2
backend b2 host=127.0.0.3 port.imap=1143
user john backend=b1
user joe host=192.168.0.2 destuser=joe@example.com
domain example.org backend=b2
default * backend=b1
"""


@pytest.fixture
def tool(make_tool):
    return make_tool(ROUTES)


def test_set_makes_a_record(tool):
    assert "user jane added (position " in tool("set", "user", "Jane", "backend=B2", "destuser=jane doe").stdout
    assert tool.fields("user", "jane") == 'backend=b2 destuser="jane doe"'


def test_set_lays_the_given_fields_over_the_others(tool):
    assert "user joe changed" in tool("set", "user", "joe", "host=192.168.0.3", "tls=ssl").stdout
    assert tool.fields("user", "joe") == "host=192.168.0.3 destuser=joe@example.com tls=ssl"


def test_set_of_what_is_there_changes_nothing(tool):
    before = tool.rows("get", "user", "john")
    assert "user john unchanged" in tool("set", "user", "john", "backend=b1").stdout
    assert tool.rows("get", "user", "john") == before


@pytest.mark.parametrize("words, code, sentence", [
    ((), 64, "set needs a kind"),
    (("user",), 64, "set needs the name of the user record"),
    (("users", "john", "backend=b1"), 64, "unknown kind 'users'"),
    (("user", "john"), 64, "set needs at least one field=value"),
    (("user", "john", "backend"), 65, "user john: 'backend' is not a field: write name=value"),
    (("user", "john", "hots=x"), 65, 'user john: unknown field "hots"'),
    (("user", "john", "host=%{user}"), 65, '"%" is not allowed here'),
    (("user", "john", "backend=b9"), 65, 'backend "b9" is not in the table'),
    (("user", "john", "pass=secret"), 65, "which the setting allow_fields does not name"),
    (("user", "john", "master=x"), 65, 'field "master" needs credential or pass beside it'),
    (("user", "*", "backend=b1"), 65, '"*" is the name of the default record only'),
    (("backend", "b1", "failover=b1"), 65, "backend b1 cannot be its own failover"),
])
def test_what_set_refuses_changes_nothing(tool, words, code, sentence):
    before = tool.export()
    said = tool.error("set", *words, code=code)
    assert sentence in said and "secret" not in said
    assert tool.export() == before


def test_unset_takes_fields_out(tool):
    assert "backend b2 changed" in tool("unset", "backend", "b2", "port.imap").stdout
    assert tool.fields("backend", "b2") == "host=127.0.0.3"


@pytest.mark.parametrize("words, code, sentence", [
    (("user", "joe"), 64, "unset needs at least one name of a field"),
    (("user", "joe", "tls"), 67, 'user joe has no field "tls"; it has: host=192.168.0.2'),
    (("user", "nobody", "tls"), 67, "user nobody: no such record"),
    (("user", "john", "backend"), 65, "would have no field left"),
])
def test_what_unset_refuses_changes_nothing(tool, words, code, sentence):
    before = tool.export()
    assert sentence in tool.error("unset", *words, code=code)
    assert tool.export() == before


def test_delete_takes_a_record_out(tool):
    assert "user john deleted" in tool("delete", "user", "john").stdout
    assert tool.fields("user", "john") is None
    assert "user john: no such record" in tool.error("delete", "user", "john", code=67)


def test_the_default_record_is_deleted_without_its_name(tool):
    tool("delete", "default")
    assert tool.fields("default", "*") is None


def test_a_backend_that_others_name_is_not_deleted(tool):
    tool("import", "-", stdin="".join(f"user u{i} backend=b1\n" for i in range(10)))
    said = tool.error("delete", "backend", "b1", code=65)
    assert "backend b1 is named by 12 records (user john, user u0, user u1, user u2, user u3, ...)" in said
    assert tool.fields("backend", "b1")


def test_a_backend_that_nobody_names_is_deleted(tool):
    tool("delete", "domain", "example.org")
    tool("delete", "backend", "b2")
    assert tool.fields("backend", "b2") is None


def test_a_dry_run_says_what_would_be_and_changes_nothing(tool):
    before = tool.rows("list")
    for words in (("set", "user", "jane", "backend=b1"), ("unset", "user", "joe", "destuser"),
                  ("delete", "user", "john"), ("backend", "down", "b1")):
        assert "(dry run: nothing was changed)" in tool(words[0], "--dry-run", *words[1:]).stdout
    assert tool.rows("list") == before


@pytest.mark.parametrize("words", [("delete", "user", "x"), ("unset", "user", "x", "tls"), ("backend", "down", "b1")])
def test_what_needs_a_record_makes_no_table(make_tool, words):
    tool = make_tool()
    assert "no such record" in tool.error(*words, code=67)
    assert not os.path.exists(tool.map.settings["table"])


def test_list_shows_all_records_backends_first(tool):
    rows = tool.rows("list")
    assert [(row["kind"], row["name"]) for row in rows] == [
        ("backend", "b1"), ("backend", "b2"), ("user", "joe"), ("user", "john"), ("domain", "example.org"), ("default", "*")]
    assert len({row["position"] for row in rows}) == 1


@pytest.mark.parametrize("words, names", [
    (("--kind", "backend"), ["b1", "b2"]),
    (("--match", "JO*"), ["joe", "john"]),
    (("--match", "jo[!h]*"), ["joe"]),
    (("--backend", "B1"), ["john", "*"]),
    (("--kind", "user", "--backend", "b1", "--match", "*n"), ["john"]),
    (("--match", "nobody"), []),
])
def test_list_shows_what_is_asked_for(tool, words, names):
    assert [row["name"] for row in tool.rows("list", *words)] == names


def test_list_says_what_it_does_not_understand(tool):
    assert "unknown kind 'x'" in tool.error("list", "--kind", "x", code=64)
    assert "has a [ without its ]" in tool.error("list", "--match", "a[b", code=64)


def test_a_list_that_cannot_be_written_is_no_whole_one(tool):
    import subprocess
    done = subprocess.run(f"doveadm -c {tool.dovecot.conf} -f tab proxymap list --config {tool.map.conf} >/dev/full",
                          shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 74 and "the list is not whole" in done.stderr


# ---- backend

def test_backend_list_shows_who_is_on_each(tool):
    assert tool.rows("backend", "list") == [
        {"backend": "b1", "state": "up", "failover": "", "users": "2", "fields": "host=127.0.0.2"},
        {"backend": "b2", "state": "up", "failover": "", "users": "1", "fields": "host=127.0.0.3 port.imap=1143"}]


def test_a_backend_is_added_once_and_set_only_when_it_exists(tool):
    tool("backend", "add", "b3", "host=127.0.0.4")
    assert "backend b3 is in the table already: host=127.0.0.4" in tool.error("backend", "add", "b3", "host=x.org", code=65)
    tool("backend", "set", "b3", "tls=ssl")
    assert tool.fields("backend", "b3") == "host=127.0.0.4 tls=ssl"
    assert "backend b4: no such record" in tool.error("backend", "set", "b4", "tls=ssl", code=67)


def test_a_backend_goes_down_with_a_failover_and_up_again(tool):
    said = tool("backend", "down", "b1", "--failover", "b2").stdout
    assert "backend b1: 2 records name it; new logins go to its failover b2" in said
    assert tool.rows("backend", "list")[0]["state"] == "down"
    assert "new logins go to it" in tool("backend", "up", "b1").stdout
    assert tool.fields("backend", "b1") == "host=127.0.0.2 state=up failover=b2"


def test_a_backend_that_drains_without_a_failover_fails_new_logins(tool):
    said = tool("backend", "drain", "b2").stdout
    assert "backend b2: 1 record names it; new logins fail for now" in said


@pytest.mark.parametrize("words, code, sentence", [
    ((), 64, "backend needs an action: list, add, set, drain, down and up are allowed"),
    (("stop", "b1"), 64, "unknown action 'stop'"),
    (("down",), 64, "backend down needs a name"),
    (("list", "b1"), 64, "backend list takes no name"),
    (("down", "b1", "tls=ssl"), 64, "backend down takes no fields"),
    (("set", "b1"), 64, "backend set needs at least one field=value"),
    (("up", "b1", "--failover", "b2"), 64, "--failover goes with drain and down"),
    (("down", "b9"), 67, "backend b9: no such record"),
    (("down", "b1", "--failover", "b9"), 65, 'backend "b9" is not in the table'),
])
def test_what_backend_refuses(tool, words, code, sentence):
    assert sentence in tool.error("backend", *words, code=code)
