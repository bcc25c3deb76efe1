"""Every command that the documentation shows is run, and prints what the manual says it prints.

A command that is in no list here fails: so whoever writes one into a document says how it is tested.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

from harness import branch, documents
from harness.documents import ROOT
from harness.installed import ETC, Installed, routes_of
from harness.reports import Reporter
from harness.walkthrough import without_empty_cells

BUILD = os.environ.get("PROXYMAP_BUILD", "")
if not BUILD:
    pytest.skip("PROXYMAP_BUILD, the folder of the build, is not set", allow_module_level=True)

MARK_OF = {"": (), "2.3": pytest.mark.only_on("2.3", "commands that their document gives for Dovecot 2.3"),
           "2.4": pytest.mark.only_on("2.4", "commands that their document gives for Dovecot 2.4")}
SAMPLE = "conf.d/90-proxymap.conf" if branch.installed() == "2.3" else "conf.d/2.4/90-proxymap.conf"

# Not run here, and why.
ELSEWHERE = {
    "./run-tests": "is what runs this",
    "./run-tests --unit": "is a part of ./run-tests",
    "./run-tests --integration": "is a part of ./run-tests",
    "./run-tests --integration -k lmtp": "is a part of ./run-tests",
    "./run-tests --sanitized": "is a part of ./run-tests",
    "./run-tests --sanitized --keep": "is a part of ./run-tests",
    "./run-tests --dovecot 2.4": "is a part of ./run-tests",
    "./run-tests --modules --dovecot 2.4": "is a part of ./run-tests",
    "./run-tests --fuzz 600": "needs clang, and ten minutes a fuzzer",
    "./run-tests --packages": "builds packages in folders with other Debians",
    "apt-get build-dep .": "tests/packages runs it",
    "dpkg-buildpackage -us -uc -b": "tests/packages runs it",
    "apt-get install ../dovecot-proxymap_*.deb": "tests/packages runs it",
    "rpmbuild -ta dovecot-proxymap-0.1.0.tar.xz": "tests/packages runs it",
    "apt-get purge": "tests/packages runs it",
    "systemctl reload dovecot": "tests/packages runs it",
    "doveadm -c /etc/dovecot/dovecot.conf proxymap check --config": "tests/packages runs it",
    "PROXYMAP_MODULES=DIR /usr/bin/python3 -m pytest tests/integration": "is how ./run-tests calls pytest",
    "make && make check": "./run-tests does that, in folders of its own",
    "./configure && make": "the same, from README.md's commands",
    "make fuzz": "./run-tests --fuzz does that, with clang",
    "make lint": "takes minutes, and changes nothing that a user has",
    "make format": "would change the sources; ./run-tests checks that it would not",
    "make bench": "ten minutes; --quick is the same code",
    'make bench BENCH_ARGS=--quick': "a minute; its options are read below, and it is no part of what is installed",
    "ulimit -c unlimited": "is for a crash",
    "gdb /usr/lib/dovecot/auth core": "is for a crash",
    "doveadm proxymap": "names the tool",
    "doveadm proxymap import": "names a command",
    "doveadm proxy list": "is Dovecot's own, and not used",
    "doveadm proxy kick": "is Dovecot's own, and not used",
    "doveadm proxymap move --kick": "names a command",
}
# Words that stand for a reader's own.
STAND_FOR = {"USER": "john", "FILE": f"{ETC}/proxymap.conf.ext"}


@pytest.fixture(scope="module")
def destdir(workspace):
    """What `make install` installs."""
    folder = os.path.join(workspace, "installed")
    subprocess.run(["make", "-C", BUILD, "install", f"DESTDIR={folder}"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def machine(workspace, destdir, tls, make_memcached):
    """Set up by README.md, without its map; Dovecot runs."""
    dovecot = Installed(os.path.join(workspace, "machine"), destdir, tls)
    try:
        dovecot.memcached = make_memcached()
        dovecot.set_up(f"stores = {dovecot.memcached.setting}")
        sed, = (command.text for command in documents.commands() if command.text.startswith("sed -i") and command.source == SAMPLE)
        dovecot.sh(sed, cwd=f"{ETC}/conf.d")
        dovecot.start()
        yield dovecot
    finally:
        dovecot.remove()


@pytest.fixture
def loaded(machine):
    """With the routes that README.md shows, in the file that it calls routes.txt, and in the map."""
    machine.write("routes.txt", routes_of("README.md"))
    machine.sh("doveadm proxymap import routes.txt")
    return machine


@pytest.fixture(scope="module")
def sources(workspace):
    """A fresh clone, as it were: what was built is left behind."""
    folder = os.path.join(workspace, "clone")
    built = shutil.ignore_patterns("build", "build-*", ".git", "autom4te.cache", "configure*~", "configure", "Makefile.in",
                                   "Makefile", "config.*", "aclocal.m4", "*.o", "*.lo", "stamp-h1")
    shutil.copytree(ROOT, folder, ignore=built)
    return folder


def run(command, cwd):
    done = subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


# ---- how the commands are run

def in_the_clone(request, command):
    folder = request.getfixturevalue("sources")
    if command.text.startswith("../"):
        folder = os.path.join(folder, "build")
    if command.text.lstrip("./").startswith("configure") and not os.path.exists(os.path.join(folder, "configure")):
        run("test -x configure || autoreconf -fi", request.getfixturevalue("sources"))
        os.makedirs(folder, exist_ok=True)
    run(command.text, folder)


def packages_are_known(request, command):
    """./run-tests has installed them, or they are no packages of this Debian."""
    names = [word for word in command.text.split()[2:] if not word.startswith("-")]
    assert "g++" in names and "dovecot-dev" in names
    for name in names:
        state = run(f"dpkg-query -W -f '${{Status}}' {name}", ROOT)
        assert state == "install ok installed", (name, state)


def in_the_tree(request, command):
    run(command.text, ROOT)


def in_the_build(request, command):
    run(command.text, BUILD)


def make_install(request, command):
    folder = request.getfixturevalue("destdir")
    files = [os.path.relpath(os.path.join(where, name), folder) for where, _, names in os.walk(folder) for name in names]
    for ending in ("auth/libauthdb_proxymap.so", "doveadm/lib10_doveadm_proxymap_plugin.so",
                   "login/lib10_login_proxy_ext_plugin.so", "login/libproxymap_noport.so",
                   "man/man1/doveadm-proxymap.1", "man/man5/proxymap.conf.ext.5",
                   "completions/doveadm", "system/proxymap-follow.service", "system/proxymap-sync.service",
                   "system/proxymap-sync.timer",
                   *(["settings/libproxymap_settings.so"] if branch.installed() == "2.4" else []),
                   *(f"/example-config/conf.d/{os.path.basename(sample)}" for sample in documents.samples()
                     if documents.branch_of(sample) in ("", branch.installed()))):
        assert any(name.endswith(ending) for name in files), f"{ending} is not installed: {files}"
    assert not [name for name in files if name.endswith((".la", ".a"))]


def manual_page(request, command):
    pages = os.listdir(os.path.join(ROOT, "man"))
    assert any(re.fullmatch(re.escape(command.text.split()[1]) + r"\.\d", page) for page in pages)


def demo(request, command):
    """Ends with exit code 0 only when both users have reached their backends."""
    alone = "unset PROXYMAP_MODULES PROXYMAP_BUILD PROXYMAP_SANITIZER; "
    assert "Each user reached the right backend" in run(alone + command.text, ROOT)


def reload(request, command):
    machine = request.getfixturevalue("machine")
    mark = machine.mark()
    machine.sh(command.text)
    machine.wait_for_log("SIGHUP received", mark)


def as_an_admin(request, command):
    words = [STAND_FOR.get(word, word) for word in command.text.split(" ")]
    machine = request.getfixturevalue("loaded")
    done = machine.sh(" ".join(words))
    if "check" in words:
        of_file = words[-1].endswith(".ext") or branch.installed() == "2.3"
        assert done.stdout == (f"{ETC}/proxymap.conf.ext" if of_file else "proxymap_ settings") + ": ok\n"


def check_of_all(request, command):
    """The backends of README.md's routes are nowhere; nothing else is wrong."""
    machine = request.getfixturevalue("loaded")
    done = machine.sh(command.text.replace("doveadm", "doveadm -f json", 1), check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 2 and {row["subject"].split()[0] for row in found} == {"backend"}, done.stdout + done.stderr


def with_replica(machine, text):
    """`follow` runs on another host, which here is another folder; --once finds a replica that --init has made."""
    if "doveadm proxymap follow" not in text:
        return text
    folder = f"{machine.table}-replica"
    machine.write("replica.conf.ext", f"table = {folder}\nstores = {machine.memcached.setting} lmdb\n")
    shutil.rmtree(folder, ignore_errors=True)
    there = "doveadm proxymap follow --config replica.conf.ext"
    if "--init" not in text:
        machine.sh(f"doveadm proxymap export --positions | {there} --init -")
    return 'ssh() { shift; "$@"; }\n' + text.replace("doveadm proxymap follow", there)


def on_a_replica(request, command):
    machine = request.getfixturevalue("loaded")
    machine.sh(with_replica(machine, command.text))


def unit(request, command):
    """The unit is installed, and runs a command of the tool that works as it stands there."""
    machine = request.getfixturevalue("loaded")
    name = command.text.split()[-1]
    assert name.startswith("proxymap-")

    def read(name):
        path, = glob.glob(f"{machine.destdir}/**/system/{name}", recursive=True)
        with open(path, encoding="utf-8") as file:
            return file.read()
    text = read(name)
    assert "[Install]" in text
    if name.endswith(".timer"):
        text = read(name.replace(".timer", ".service"))
    started, = re.findall(r"(?m)^ExecStart=/usr/bin/(doveadm proxymap .*)", text)
    once = " --once" if " follow" in started else ""
    machine.sh(with_replica(machine, started + once))


def as_an_admin_of_a_fleet(request, command):
    """Of this one proxy, which reports as it should. Nothing is on its way to a backend: --settle may be short."""
    machine = request.getfixturevalue("loaded")
    with machine.with_settings("proxy_name = p1", "proxies = p1"), Reporter(machine.memcached, ["p1"], seconds=0):
        said = machine.sh(command.text + (" --settle 0" if "--kick" in command.text else ""))
    if "--kick" in command.text:
        assert "p1: 0 sessions ended" in said.stdout
    if " --to b2" in command.text:
        assert " moved to b2 " in said.stdout and "in force on every proxy: p1" in said.stdout


def as_the_manual_says(request, command):
    """Compares what is printed, but for blanks, positions, times, and the ports of this test."""
    machine = request.getfixturevalue("machine")
    routes = routes_of(command.source)
    fails = "nothing was imported" in command.output
    if fails:
        lines = routes.split("\n")
        lines[1] = "backend b1 host=%{user}"
        routes = "\n".join(lines)
    machine.write("routes", routes)
    if not fails:  # from an empty map on
        shutil.rmtree(machine.table, ignore_errors=True)
        machine.memcached.restart()
    if " import " not in command.text or "--dry-run" in command.text:
        machine.sh("doveadm proxymap import routes")
    done = machine.sh(with_replica(machine, command.text), check=False)
    assert (done.returncode != 0) == fails, done.stderr

    def bare(text):
        text = text.replace(f"{machine.table}-replica", machine.table).replace(machine.table, "/var/lib/dovecot-proxymap")
        text = text.replace(machine.memcached.setting, "memcached:127.0.0.1:11211")
        text = re.sub(r"[0-9a-f]{16}\.\d+\.\d+|position \.\.\.", "POSITION", text).replace("position POSITION", "POSITION")
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
        text = re.sub(r"\b(bytes|limit|latency_us|items)=\d+", r"\1=N", text)
        return re.sub(r"\s", "", without_empty_cells(text))
    assert bare(done.stdout + done.stderr) == bare(command.output), done.stdout + done.stderr


def sql_table(request, command):
    """The table of the manual, and a sqlite3 of Python's own: the tests do not need the program."""
    machine = request.getfixturevalue("loaded")
    with contextlib.closing(sqlite3.connect(os.path.join(machine.cwd, "users.db"))) as database:
        database.executescript("""DROP TABLE IF EXISTS proxy;
            CREATE TABLE proxy (user TEXT PRIMARY KEY, host TEXT, destuser TEXT NOT NULL DEFAULT '');
            INSERT INTO proxy VALUES ('john', '192.168.0.1', ''), ('joe', '192.168.0.2', 'joe@example.com');""")
    stand_in = """sqlite3() { /usr/bin/python3 -c 'import csv, sqlite3, sys
rows = sqlite3.connect(sys.argv[3]).execute(sys.argv[4])
csv.writer(sys.stdout).writerows([[column[0] for column in rows.description], *rows])' "$@"; }
"""
    machine.sh(stand_in + command.text)
    assert "\nuser joe host=192.168.0.2 destuser=joe@example.com\nuser john host=192.168.0.1\n" in machine.sh(
        "doveadm proxymap export").stdout


def export_to_git(request, command):
    """What it exports is what was imported. git is a stand-in: the tests do not need it."""
    machine = request.getfixturevalue("loaded")
    said = machine.sh('git() { echo "git $*"; }; ' + command.text).stdout
    assert said == "git commit -m map routes\n"
    assert "unchanged" in machine.sh("doveadm proxymap import routes").stdout
    assert " 0 added, 0 changed" in machine.sh("doveadm proxymap import routes").stdout


def pin_of_a_backend(request, command):
    backend = request.getfixturevalue("backends")[0]
    here = command.text.replace("b1.example.com:993", f"127.0.0.2:{backend.spec.tls_ports['imap']}")
    assert here != command.text
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", run(here, ROOT))


def seal_key(request, command):
    """The keys file of the manual, with such a key: check takes it."""
    machine = request.getfixturevalue("loaded")
    block, = (block for block in documents.man_blocks(command.source) if block[0].startswith("current"))
    key = run(command.text, ROOT).strip()
    text, count = re.subn(r"(?m)key = .*", f"key = {key}", "\n".join(block))
    assert count == 1
    machine.write("seal-keys", text + "\n")
    path = os.path.join(machine.cwd, "seal-keys")
    os.chmod(path, 0o600)
    machine.write("sealed.conf.ext", f"table = {machine.table}\nseal_keys_file = {path}\n")
    machine.sh("doveadm proxymap check --config sealed.conf.ext")


def main_case(request, command):
    """Done by the fixture; that a user logs in then is tested below."""
    assert command.text in {other.text for other in documents.commands() if other.source == SAMPLE}
    assert not re.search(r"(?m)^[^#\n]", documents.read(SAMPLE))
    request.getfixturevalue("machine")
    with open(f"{ETC}/conf.d/90-proxymap.conf", encoding="utf-8") as file:
        assert re.findall(r"(?m)^(?:passdb(?: proxymap)?|service auth|protocol lmtp) \{", file.read()) == [
            "passdb {" if branch.installed() == "2.3" else "passdb proxymap {", "service auth {", "protocol lmtp {"]


def bench_options(request, command):
    """The options are known and well-formed; --help makes it end there."""
    options = re.search(r'BENCH_ARGS="([^"]*)"', command.text)
    assert "usage:" in run(f"tests/bench/run {options[1] if options else ''} --help", ROOT)


HOW = [
    (r"(\./demo)( --memcached)?", demo),
    (r"apt-get install .*", packages_are_known),
    (r"autoreconf -fi|mkdir -p build && cd build|(\.|\.\.)/configure( --[-=/a-z]+)*", in_the_clone),
    (r"make", in_the_build),
    (r"make install", make_install),
    (r'(scripts/in-debian trixie )?make( -C build-2.4)? bench BENCH_ARGS=".*"|tests/bench/run --help', bench_options),
    (r"man [-.a-z]+", manual_page),
    (r"\./run-tests --branch-tests", in_the_tree),
    (r"doveadm reload", reload),
    (r"doveconf -n", as_an_admin),
    (r"doveadm proxymap export > routes && git commit .*", export_to_git),
    (r"sqlite3 .* \| doveadm proxymap import -", sql_table),
    (r"doveadm proxymap (move|sessions|status|sync).*", as_an_admin_of_a_fleet),
    (r"doveadm proxymap check", check_of_all),
    (r"(/usr/bin/)?doveadm proxymap (import|list|lookup|get|export|check) ?.*", as_an_admin),
    (r"doveadm proxymap promote ?.*", as_an_admin),
    (r"(ssh .* \| )?doveadm proxymap follow .*", on_a_replica),
    (r"systemctl (enable --now|stop) proxymap-.*", unit),
    (r"openssl s_client .*", pin_of_a_backend),
    (r"openssl rand .*", seal_key),
    (r"sed -i .* 90-proxymap.conf", main_case),
]


@pytest.mark.parametrize("command", [pytest.param(command, marks=MARK_OF[command.branch], id=str(command))
                                     for command in documents.commands()])
def test_a_command_of_the_documentation(request, command):
    if command.text in ELSEWHERE:
        return
    if command.output:
        as_the_manual_says(request, command)
        return
    for regex, how in HOW:
        if re.fullmatch(regex, command.text):
            how(request, command)
            return
    raise AssertionError(f"{command.source} shows a command that no test runs: {command.text}")


def test_nothing_is_run_elsewhere_that_no_document_shows():
    shown = {command.text for command in documents.commands()}
    assert set(ELSEWHERE) <= shown, set(ELSEWHERE) - shown


def test_each_command_of_the_tool_has_its_synopsis_and_is_shown(machine):
    """`doveadm proxymap` itself lists them."""
    help_text = machine.sh("doveadm help", check=False)
    listed, = re.findall(r"(?m)^ *proxymap +(\S+)", help_text.stdout + help_text.stderr)
    synopsis = documents.read("man/doveadm-proxymap.1").partition(".SH DESCRIPTION")[0]
    assert set(listed.split("|")) == set(re.findall(r"(?m)^\.B proxymap (\w+)", synopsis))


@pytest.mark.parametrize("source", ["README.md", "man/proxymap.conf.ext.5"])
def test_the_passdb_block_shown_is_that_of_the_sample(source):
    blocks = documents.man_blocks(source) if source.startswith("man/") else documents.md_blocks(source)
    shown, = (block for block in blocks if block[0] == "passdb {")
    sample = documents.read("conf.d/90-proxymap.conf").partition("# --- main case ---\n")[2]
    assert [line.lstrip("#") for line in sample.split("\n")[:len(shown)]] == shown


def test_the_sample_of_credentials_is_one_when_it_is_uncommented(machine):
    text = re.sub(r"(?m)^#(?=\S|  )", "", documents.read("conf.d/proxymap-credentials.conf.ext").partition("\n\n")[2])
    machine.write("credentials", re.sub(r"(?m)^(?!\s*(credential|master|password|backends|#|\}|$)).*$", r"# \g<0>", text))
    path = os.path.join(machine.cwd, "credentials")
    os.chmod(path, 0o600)
    machine.write("with-credentials.conf.ext", f"table = {machine.table}\ncredentials_file = {path}\n"
                                               "default_credential = shared\nverify = map\nallow_fields = password\n")
    machine.sh("doveadm proxymap check --config with-credentials.conf.ext")


def test_the_main_case_of_the_sample_logs_a_user_in(machine, backends):
    from harness.site import Site
    machine.write("routes.txt", "".join(server.record() for server in backends) + "user john backend=b1\nuser joe backend=b2\n")
    machine.sh("doveadm proxymap import routes.txt")
    machine.restart()  # nothing is cached
    site = Site(machine, backends)
    assert site.login("imap", "john").backend == "b1"
    assert site.login("imap", "joe").backend == "b2"
    assert site.login("imap", "john", "wrong").outcome == "auth_failed"
