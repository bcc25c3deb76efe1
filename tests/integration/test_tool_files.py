"""`doveadm proxymap` import and export: files in and out, whole or not at all."""

import contextlib
import csv
import io
import json
import os
import re
import sqlite3
import subprocess

import pytest

from harness.backend import password_of
from harness.process import wait_until

ROUTES = """\
backend b1 host=127.0.0.2 tls=starttls
backend b2 host=127.0.0.3 port.imap=1143
user "john \\"the\\" doe" backend=b1 destuser="a b, c"
user joe host=192.168.0.2 destuser=joe@example.com forward_team=x\\y
domain example.org backend=b2 destuser=%{username}
default * backend=b1
"""
FORMATS = ("routes", "csv", "tsv", "json")


@pytest.fixture
def tool(make_tool):
    return make_tool(ROUTES)


@pytest.fixture
def empty(make_tool):
    return make_tool()


def lines(text):
    return sorted(text.splitlines())


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_exported_is_imported_to_the_same(tool, empty, form):
    text = tool.export("--format", form)
    assert "6 added, 0 changed, 0 deleted, 0 unchanged" in empty("import", "-", stdin=text).stdout
    assert empty.export("--format", form) == text
    assert [sorted(row["fields"].split()) for row in empty.rows("list")] == [
        sorted(row["fields"].split()) for row in tool.rows("list")]
    said = tool("import", "--format", form, "--replace", "-", stdin=text).stdout
    assert "0 added, 0 changed, 0 deleted, 6 unchanged" in said


def test_an_export_is_a_file_of_its_format(tool):
    assert tool.export().splitlines()[0] == "backend b1 host=127.0.0.2 tls=starttls"
    table = tool.export("--format", "csv").splitlines()
    assert table[0] == "kind,name,backend,host,port.imap,destuser,tls,forward_team"
    assert 'user,"john ""the"" doe",b1,,,"a b, c",,' in table
    assert "user\tjoe\t\t192.168.0.2\t\tjoe@example.com\t\tx\\\\y" in tool.export("--format", "tsv")
    assert {"kind": "user", "name": 'john "the" doe', "fields": {"backend": "b1", "destuser": "a b, c"}} in [
        json.loads(line) for line in tool.export("--format", "json").splitlines()]


@pytest.mark.parametrize("form, field, said", [
    ("csv", "forward_x=", 'user "x": its field forward_x is empty, which csv cannot say; export it as routes'),
    ("tsv", "destuser=NULL", "its field destuser is NULL, which tsv cannot say"),
])
def test_what_a_format_cannot_say_is_not_exported(tool, form, field, said):
    tool("set", "user", "x", "backend=b1", field)
    done = tool("export", "--format", form, code=65)
    assert said in done.stderr and done.stdout == ""


def test_a_name_that_is_no_utf_8_is_not_exported_as_json(tool):
    def run(*words):
        return subprocess.run(["doveadm", "-c", tool.dovecot.conf, "proxymap", words[0], "--config", tool.map.conf, *words[1:]],
                              capture_output=True, check=False)
    assert run("set", "user", b"j\xf6rg", "backend=b1").returncode == 0
    done = run("export", "--format", "json")
    assert done.returncode == 65 and done.stdout == b"" and b"its name is not UTF-8, which json cannot say" in done.stderr
    assert b"user j\xf6rg backend=b1\n" in run("export").stdout


# ---- what databases write

def test_the_csv_of_sqlite3_goes_straight_in(empty):
    script = """CREATE TABLE proxy (user varchar(255) NOT NULL, host varchar(16) default NULL,
        destuser varchar(255) NOT NULL default '', PRIMARY KEY (user));
        INSERT INTO proxy VALUES ('john','192.168.0.1',''), ('joe','192.168.0.2','joe@example.com');
        SELECT * FROM proxy;"""
    try:
        table = subprocess.run(["sqlite3", "-csv", "-header", ":memory:", script], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        table = 'user,host,destuser\njohn,192.168.0.1,""\njoe,192.168.0.2,joe@example.com\n'
    empty("import", empty.write("proxy.csv", table))
    assert empty.export() == "user joe host=192.168.0.2 destuser=joe@example.com\nuser john host=192.168.0.1\n"


@pytest.mark.parametrize("text", [
    "user\thost\tdestuser\njohn\t192.168.0.1\tNULL\njoe\t192.168.0.2\tjoe@example.com\n",        # mysql -B
    "user,host,destuser\njohn,192.168.0.1,\njoe,192.168.0.2,joe@example.com\n",                  # psql --csv
    "user,host,destuser\r\njohn,192.168.0.1,\r\n\"joe\",192.168.0.2,joe@example.com\r\n",        # Windows
    '{"user":"john","host":"192.168.0.1","destuser":null}\n{"user":"joe","host":"192.168.0.2","destuser":"joe@example.com"}\n',
])
def test_what_databases_write_goes_straight_in(empty, text):
    assert "2 added" in empty("import", "-", stdin=text).stdout
    assert empty.export() == "user joe host=192.168.0.2 destuser=joe@example.com\nuser john host=192.168.0.1\n"


def test_both_users_of_an_sql_table_log_in(make_site, make_map, backends):
    """The table proxy(user, host, destuser) of Dovecot's manual, but for the ports of these backends."""
    pmap = make_map()
    site = make_site(pmap=pmap, routes="")
    one, two = backends
    rows = [("john", one.spec.address, one.spec.ports["imap"], ""), ("joe", two.spec.address, two.spec.ports["imap"], "joe@example.com")]
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE proxy (user TEXT PRIMARY KEY, host TEXT, port INTEGER, destuser TEXT NOT NULL DEFAULT '')")
        database.executemany("INSERT INTO proxy VALUES (?, ?, ?, ?)", rows)
        found = database.execute('SELECT user, host, port AS "port.imap", destuser FROM proxy')
        table = io.StringIO()
        csv.writer(table).writerows([[column[0] for column in found.description], *found])
    site.proxymap.load(site.proxy, table.getvalue())
    john, joe = site.login("imap", "john"), site.login("imap", "joe", password_of("joe@example.com"))
    assert (john.backend, john.user) == (one.name, "john")
    assert (joe.backend, joe.user) == (two.name, "joe@example.com")


# ---- what is refused

@pytest.mark.parametrize("text, said", [
    ("user,hots\njohn,x\n", '-:1: column "hots": unknown field "hots"; a record may hold backend, host'),
    ("host,destuser\nx,y\n", "-:1: the header (2 columns) has no key: the key of a row is in the column user or domain"),
    ("user,host\njohn\n", "-:2: the row has 1 cells, the header 2"),
    ('user,host\n"john,x\n', "-:2: a quoted cell has no closing quote"),
    ("user\thost\njo\\x\thost\n", "-:2: after a backslash comes"),
    ('{"user":"john","host":true}\n', '-:1: byte 23: expected the value of "host": a string'),
    ('{"user":"john","user":"joe"}\n', '-:1: member "user" stands twice'),
    ("user john backend=b9\n", '-:1: backend "b9" is neither in this file nor in the table'),
    ("user john host=x\nuser JOHN host=y\n", '-:2: user "john" stands on line 1 already; names that differ only by case'),
    ("user john pass=secret host=x\n", "-:1: user john holds the field pass, which the setting allow_fields does not name"),
])
def test_a_bad_line_is_named_and_nothing_is_imported(tool, text, said):
    before = tool.export()
    error = tool.error("import", "-", stdin=text, code=65)
    assert said in error and "error: nothing was imported" in error and "secret" not in error
    assert tool.export() == before


def test_of_many_bad_lines_the_first_20_are_shown_and_all_counted(tool):
    text = "".join(f"user u{i} hots=x\n" if i % 2 else f"user u{i} host=b1\n" for i in range(1000))
    error = tool.error("import", "-", stdin=text, code=65)
    shown = [line.partition(": ")[0] for line in error.splitlines()]
    assert shown == [f"-:{2 * i}" for i in range(1, 21)] + ["-"]
    assert error.endswith("-: 500 errors: nothing was imported\n")


def test_bad_lines_of_a_million_are_all_named_and_nothing_is_imported(tool):
    before = tool.export()
    bad = {3: "user", 500_000: "user x backend=", 999_999: "mailbox x backend=b1"}
    path = tool.write("million", "".join(f"{bad[number]}\n" if number in bad else f"user m{number} backend=b1\n"
                                         for number in range(1, 1_000_001)))
    said = tool.error("import", path, code=65)
    assert re.findall(rf"{re.escape(path)}:(\d+): ", said) == [str(number) for number in bad], said
    assert tool.export() == before


def test_a_file_that_cannot_be_read_is_said_so(tool):
    assert "cannot be opened" in tool.error("import", "/nonexistent", code=66)
    assert "cannot be read to its end" in tool.error("import", tool.folder, code=66)
    assert "unknown format 'xml'" in tool.error("import", "--format", "xml", "-", stdin="", code=64)
    assert "import needs a file" in tool.error("import", code=64)


# ---- replace, dry run

def test_replace_makes_the_table_equal_to_the_file(tool):
    text = "user joe host=192.168.0.9\nuser new host=192.168.0.1\n"
    assert "1 added, 1 changed, 5 deleted, 0 unchanged" in tool("import", "--replace", "-", stdin=text).stdout
    assert tool.export() == text


def test_replace_believes_no_backend_that_it_deletes(tool):
    before = tool.export()
    assert 'backend "b1" is neither in this file' in tool.error("import", "--replace", "-", stdin="user x backend=b1\n", code=65)
    assert tool.export() == before


def test_replace_by_a_file_without_records_is_refused(tool):
    before = tool.export()
    assert "would leave an empty table" in tool.error("import", "--replace", "-", stdin="# nothing\n", code=65)
    assert tool.export() == before


@pytest.mark.parametrize("words, counts", [
    ((), "1 added, 1 changed, 0 deleted, 1 unchanged"),
    (("--replace",), "1 added, 1 changed, 4 deleted, 1 unchanged"),
])
def test_a_dry_run_counts_and_changes_nothing(tool, words, counts):
    before = tool.rows("list")
    text = "user joe host=192.168.0.9\nuser new host=192.168.0.1\nbackend b2 port.imap=1143 host=127.0.0.3\n"
    assert f"{counts} (dry run: nothing was changed)" in tool("import", "--dry-run", *words, "-", stdin=text).stdout
    assert tool.rows("list") == before


def is_locked(path):
    """Without trying, for whoever comes meanwhile would be refused."""
    if not os.path.exists(path):
        return False
    with open("/proc/locks", encoding="ascii") as locks:
        return any(line.split()[1] == "FLOCK" and line.split()[5].endswith(f":{os.stat(path).st_ino}") for line in locks)


def start(tool, command, *args, **more):
    return subprocess.Popen(["doveadm", "-c", tool.dovecot.conf, "proxymap", command, "--config", tool.map.conf, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


@pytest.fixture
def writing(tool):
    """An import that has the table, and ends as soon as its standard input does."""
    lock = os.path.join(tool.map.settings["table"], "tool.lock")
    first = start(tool, "import", "-", stdin=subprocess.PIPE)
    first.stdin.write("user x host=y.org\n")
    first.stdin.flush()
    wait_until(lambda: is_locked(lock), "the first writer has begun")
    yield first
    first.communicate()


def test_a_second_writer_waits_for_the_first(tool, writing):
    second = start(tool, "set", "user", "z", "host=y.org")
    lock = os.path.join(tool.map.settings["table"], "tool.lock")
    fds = f"/proc/{second.pid}/fd"
    wait_until(lambda: any(os.path.realpath(f"{fds}/{fd}") == lock for fd in os.listdir(fds)), "the second one has come")
    assert "1 added" in writing.communicate()[0]
    said, error = second.communicate()
    assert (second.returncode, error) == (0, "") and "user z added" in said
    assert tool.fields("user", "x") == tool.fields("user", "z") == "host=y.org"


def test_a_second_writer_that_has_waited_long_is_told_by_whom_it_was_kept(tool, writing):
    others = [start(tool, "set", "user", "z", "host=y.org"), start(tool, "verify")]
    for other in others:
        assert f"another command is writing (process {writing.pid}): try again" in other.communicate()[1]
        assert other.returncode == 75
    assert "1 added" in writing.communicate()[0]
    assert tool.fields("user", "z") is None


def test_a_dry_run_makes_no_table(empty):
    assert "1 added" in empty("import", "--dry-run", "-", stdin="user x host=y.org\n").stdout
    assert not os.path.exists(empty.map.settings["table"])


def peak_memory(tool, path):
    """Of an import, in MB."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run(["/usr/bin/python3", "-c", code, "doveadm", "-c", tool.dovecot.conf, "proxymap", "import",
                           "--config", tool.map.conf, "--replace", "--dry-run", path],
                          capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def test_memory_does_not_grow_with_the_file(tool):
    """Of reading: what LMDB holds of a transaction is its own affair."""
    def write(count):
        return tool.write(f"{count}.csv", "user,host\n" + "".join(f"user{i:07}@example.com,192.168.0.{i % 250}\n" for i in range(count)))
    small, big = write(300_000), write(900_000)
    assert peak_memory(tool, big) < peak_memory(tool, small) + 8
