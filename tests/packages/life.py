"""The life of the Debian package on a host whose Dovecot runs all the time.

Runs as root in a folder with a stock Dovecot (scripts/in-debian --scratch): installs the package, follows
docs/TUTORIAL.md, sets a proxy up by the commands of docs/INSTALL.md, upgrades the package and Dovecot under
load, removes, brings back and purges it. Dovecot is the host's own, with Debian's configuration; the backends
are those of tests/integration/harness. The last line is `N passed, N failed`.
"""

import glob
import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from harness import branch, certificate, clients, documents, walkthrough  # noqa: E402
from harness.backend import Backend, password_of  # noqa: E402
from harness.dovecot import STARTED_TOO_LATE  # noqa: E402
from harness.process import TimedOut, wait_until  # noqa: E402

PACKAGE = "dovecot-proxymap"
PROXY = ("127.0.0.1", 143)
LOCAL = ("anna", "a-password")  # a user of this very host
WORK = "/root/life"
PID_FILE = "/run/dovecot/master.pid"
LOG = "/var/log/dovecot.log"


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, what, good, otherwise=""):
        if good:
            self.passed += 1
            print(f"ok: {what}")
        else:
            self.failed += 1
            print(f"FAILED: {what}\n{otherwise}")
        sys.stdout.flush()

    def end(self):
        print(f"\n{self.passed} passed, {self.failed} failed")
        sys.exit(self.failed != 0)


test = Tests()


def sh(command, check=True, cwd=None):
    # Into files: a pipe would be waited for as long as the Dovecot runs that the command may start.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(["bash", "-c", command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                              check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        for file in (out, errors):
            file.seek(0)
        done.stdout, done.stderr = out.read(), errors.read()
    if check and done.returncode != 0:
        raise RuntimeError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def apt(*words):
    """Without network: what is needed lies in apt's own folder."""
    done = sh(f"apt-get -y --no-install-recommends --allow-downgrades {' '.join(words)}")
    return done.stdout + done.stderr


def log(mark=0):
    with open(LOG, encoding="utf-8", errors="replace") as file:
        file.seek(mark)
        return file.read()


def mark():
    return os.path.getsize(LOG)


def deaths(regex, since):
    """Lines of the log."""
    return [line for line in log(since).splitlines() if re.search(regex, line) and not STARTED_TOO_LATE.search(line)]


def master():
    with open(PID_FILE, encoding="ascii") as file:
        return int(file.read())


def login(user, password=None):
    return clients.imap(PROXY, user, password or password_of(user))


def local_login():
    return login(*LOCAL).outcome


def reached():
    """Where a user of the map and one of the map's domain land; the demo's routes."""
    return [login(user).marker for user in ("john", "joe@example.org")]


def recipient():
    """What LMTP answers to a mail for john."""
    with smtplib.LMTP("/run/dovecot/lmtp") as client:
        client.ehlo("test")
        client.mail("")
        return client.rcpt("john")[0]


class Load:
    """Does something again and again in threads until it ends; keeps what went wrong."""

    def __init__(self, action, threads=3):
        self.action, self.count, self.wrong, self._end = action, 0, [], False
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def _run(self):
        while not self._end:
            try:
                error = self.action()
            except Exception as problem:  # pylint: disable=broad-except # whatever it is, it counts
                error = repr(problem)
            self.count += 1
            if error:
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {error}")
            time.sleep(0.02)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.count >= 10, "load", 60)
        return self

    def __exit__(self, *_):
        more = self.count + 10
        wait_until(lambda: self.count >= more, "load afterwards", 60)
        self._end = True
        for thread in self.threads:
            thread.join()


def routed():
    """That both log in, each at the right backend. (A reload may end a session before it has said where it is.)"""
    def as_mail_clients_do(user):
        result = login(user)
        # Each reload says that to who has not logged in yet.
        return login(user) if re.search("BYE .*shutting down", result.text, re.I) else result
    results = [as_mail_clients_do(user) for user in ("john", "joe@example.org")]
    good = all(result.outcome == "ok" and (result.marker == right or result.text and not result.marker)
               for result, right in zip(results, ("b1", "b2")))
    return "" if good else f"john and joe: {results}: {log(max(0, mark() - 2000))}"


def answered():
    """A greeting is an answer, whatever becomes of the login; so is the BYE of a process that a reload ends."""
    with socket.create_connection(PROXY, timeout=30) as client:
        greeting = client.makefile("rb").readline()
    return "" if greeting.startswith((b"* OK", b"* BYE")) else f"greeted by {greeting}"


def local():
    outcome = local_login()
    return "" if outcome == "ok" else f"{LOCAL[0]}'s login: {outcome}"


def files():
    """All that is on the host, but for what others write as they go."""
    passing = ("/proc", "/sys", "/dev", "/tmp", WORK, ROOT, "/run/dovecot/", "/var/cache", "/var/lib/apt",
               "/var/lib/dpkg", "/var/log", "/var/lib/dovecot", "/home", "/var/mail")
    found = set()
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if not os.path.join(folder, name).startswith(passing)]
        found |= {os.path.join(folder, name) for name in [*folders, *names]}
    # ucf keeps its own list's last states for itself.
    others = re.compile(r".*/__pycache__|/var/lib/ucf/hashfile\.\d$")
    return {name for name in found if not name.startswith(passing) and not others.match(name)} | \
        {name for name in glob.glob("/run/dovecot/**", recursive=True) + glob.glob("/var/lib/dpkg/**", recursive=True)
         if "proxymap" in name}


def contents(folder):
    found = {}
    for name in glob.glob(f"{folder}/**", recursive=True):
        if os.path.isfile(name):
            with open(name, "rb") as file:
                found[name] = file.read()
    return found


def registries():
    """Where dpkg, ucf and debconf keep notes on packages: what they say of ours."""
    text = sh("cat /var/lib/ucf/registry /var/lib/ucf/hashfile; dpkg-divert --list; dpkg-statoverride --list; "
              f"dpkg-query -l '{PACKAGE}*' 2>/dev/null; cat /var/cache/debconf/config.dat; "
              "ls /etc/systemd/system/* /var/lib/systemd/deb-systemd-helper-* 2>/dev/null", check=False).stdout
    return [line for line in text.splitlines() if "proxymap" in line]


def installed_deb(out):
    deb, = [name for name in glob.glob(f"{out}/deb/{PACKAGE}_*.deb")]
    return deb


def newer(deb):
    """The same package under a higher version."""
    folder, made = f"{WORK}/newer", f"{WORK}/newer.deb"
    sh(f"dpkg-deb -R {deb} {folder} && sed -i 's/^Version: .*/&+newer/' {folder}/DEBIAN/control && "
       f"dpkg-deb -Zgzip -z1 -b {folder} {made} && rm -r {folder}")
    return made


def commands():
    """Those of docs/INSTALL.md that set a proxy up, for a host without systemd."""
    found, = [block for block in documents.md_blocks("docs/INSTALL.md") if any(line.startswith("sed ") for line in block)]
    return [line.replace("systemctl reload dovecot", "invoke-rc.d dovecot reload") for line in found]


def set_up_host():
    # Without an init, packages may do to services what this lets them: all that they do on a real host.
    with open("/usr/sbin/policy-rc.d", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod("/usr/sbin/policy-rc.d", 0o755)
    sh(f"useradd -m {LOCAL[0]} && echo {':'.join(LOCAL)} | chpasswd")
    with open("/etc/dovecot/local.conf", "a", encoding="ascii") as file:
        # A failed login makes Dovecot slow towards its address for a while, which here is everybody's.
        file.write(f"log_path = {LOG}\nauth_verbose = yes\nssl = no\nauth_failure_delay = 0\n"
                   "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n")
    sh("/etc/init.d/dovecot start")
    wait_until(lambda: os.path.exists(PID_FILE) and os.path.exists(LOG), "Dovecot")
    wait_until(lambda: local_login() == "ok", "a user of this host logs in", 60)


def auth_system(on):
    """The passdb that Debian's Dovecot comes with."""
    path = "/etc/dovecot/conf.d/10-auth.conf"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"(?m)^#?(!include auth-system)", r"\1" if on else r"#\1", text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def install(deb):
    before, conf = master(), sh("doveconf -n")
    with Load(local) as load:
        apt("install", deb)
    test(f"installing disturbs no login ({load.count} logins)", not load.wrong, load.wrong[:3])
    after = sh("doveconf -n")
    test("doveconf -n says the same before and after, and complains of nothing",
         (after.stdout, after.stderr) == (conf.stdout, conf.stderr) and "proxymap" not in after.stderr,
         conf.stderr + after.stdout + after.stderr)
    test("Dovecot was not restarted", master() == before)
    access = {name: sh(f"stat -c '%a %U:%G' /etc/dovecot/{name}").stdout.strip()
              for name in ("proxymap.conf.ext", "proxymap-credentials.conf.ext") if os.path.exists(f"/etc/dovecot/{name}")}
    wanted = {"proxymap-credentials.conf.ext": "600 root:root"}
    if branch.installed() == "2.3":
        wanted["proxymap.conf.ext"] = "640 root:dovecot"
    test("settings can be read by whom they must be, secrets by root alone", access == wanted, access)
    check = sh("/usr/libexec/dovecot-proxymap/conf check", check=False)
    test("the check before Dovecot's start lets one pass that does not use proxymap", check.returncode == 0, check.stderr)
    units = sh("cat /usr/lib/systemd/system/dovecot.service.d/dovecot-proxymap.conf", check=False).stdout
    test("systemd runs the check before start and reload", units.count("/usr/libexec/dovecot-proxymap/conf check") == 2)


def follow_tutorial():
    """Beside the host's Dovecot, which is not touched by it."""
    before, folder = master(), f"{WORK}/tutorial"
    os.makedirs(folder)
    walkthrough.Walk(folder, branch.installed()).run(os.path.join(ROOT, "docs", "TUTORIAL.md"))
    test("the tutorial works to the letter with the installed package", not os.path.exists("/run/proxymap-tutorial"))
    test("the host's Dovecot goes on beside it", master() == before and local_login() == "ok", local_login())


def become_proxy(backends):
    with open(f"{WORK}/routes.txt", "w", encoding="ascii") as file:
        file.write("".join(backend.record() for backend in backends) +
                   "user john backend=b1\ndomain example.org backend=b2\n")
    before = master()
    auth_system(on=False)
    for command in commands():
        sh(command.replace("routes.txt", f"{WORK}/routes.txt"), cwd="/etc/dovecot/conf.d")
    # The other one of the modules that a process of Dovecot's cannot do without.
    sh("sed -i 's/^#login_plugins/login_plugins/' 90-proxymap.conf && doveadm reload", cwd="/etc/dovecot/conf.d")
    wait_until(lambda: reached() == ["b1", "b2"], "users reach their backends")
    test("set up by the commands of INSTALL.md, each user reaches the right backend", True)
    test("nobody of this host logs in here any more", local_login() == "auth_failed", local_login())
    test("mail for john is accepted for his backend", recipient() == 250, recipient())
    test("Dovecot was not restarted for it", master() == before)


def bad_settings():
    """What the systemd drop-in runs."""
    two_three = branch.installed() == "2.3"
    path = "/etc/dovecot/proxymap.conf.ext" if two_three else "/etc/dovecot/conf.d/90-proxymap.conf"
    shutil.copy2(path, f"{WORK}/good")
    with open(path, "a", encoding="ascii") as file:
        file.write("cache_ttl = soon\n" if two_three else "proxymap_default_tls_policy = nobody-knows\n")
    check = sh("/usr/libexec/dovecot-proxymap/conf check", check=False)
    shutil.copy2(f"{WORK}/good", path)
    test("the check holds up a Dovecot that a wrong setting would kill, and says why",
         check.returncode != 0 and ("cache_ttl" in check.stderr or "nobody-knows" in check.stderr), check)


def upgrade(deb):
    before = master()
    with Load(routed) as load:
        apt("install", newer(deb))
    test(f"no login fails while the package is upgraded ({2 * load.count} logins)", not load.wrong, load.wrong[:3])
    version = sh(f"dpkg-query -W -f '${{Version}}' {PACKAGE}").stdout
    test("the package is the newer one", version.endswith("+newer"), version)
    test("Dovecot was not restarted", master() == before)

    def libraries():
        found = set()
        for path in glob.glob("/proc/[0-9]*/maps"):
            try:
                with open(path, encoding="utf-8") as file:
                    found |= set(re.findall(r"\S*libauthdb_proxymap\.so.*", file.read()))
            except OSError:
                pass
        return found
    wait_until(lambda: [name for name in libraries() if "deleted" not in name], "auth has the new module")
    test("auth runs with the new module", True)


def upgrade_dovecot():
    """Debian restarts it then."""
    wanted = "dovecot-core dovecot-imapd dovecot-lmtpd dovecot-submissiond"
    if not re.search(r"^Inst dovecot-core ", sh(f"apt-get -s install {wanted}").stdout, re.M):
        print("(Debian has no newer Dovecot)")
        return
    old, since = sh("dpkg-query -W -f '${Version}' dovecot-core").stdout, mark()
    apt("install", wanted)
    new = sh("dpkg-query -W -f '${Version}' dovecot-core").stdout
    try:
        wait_until(lambda: not routed(), "users reach their backends", 30)
    except TimedOut:
        pass  # the log says why, and what comes now does not depend on it
    crashes = deaths(r"Panic:|Fatal:|killed with signal", since)
    test(f"Dovecot upgraded from {old} to {new} under it: each user reaches the right backend, and nothing crashes",
         not crashes and not routed(), crashes[:5])


def remove_in_use():
    since = mark()
    with Load(answered) as load:
        said = apt("remove", PACKAGE)
    test(f"Dovecot answers all the time while the package is removed ({load.count} connections)", not load.wrong, load.wrong[:3])
    test("removing it says what has become of the logins", "temporary failure" in said, said)
    conf = sh("doveconf -n")
    test("doveconf -n complains of nothing, and does not name proxymap's module",
         conf.stderr == "" and not re.search("driver = proxymap|login_proxy_ext", conf.stdout), conf.stdout + conf.stderr)

    def refused():
        return [login("john").outcome, login(*LOCAL).outcome, str(recipient())[:1]]
    wait_until(lambda: refused() == ["temp_failed", "temp_failed", "4"], "logins get a temporary failure")
    test("logins and mail get a temporary failure, and nobody a login here", True)
    sh("/etc/init.d/dovecot restart")
    wait_until(lambda: not answered(), "Dovecot answers", 60)
    test("Dovecot can be started again without the package", refused() == ["temp_failed", "temp_failed", "4"], refused())
    broken = deaths(r"Fatal:|Panic:|killed with|Couldn't load", since)
    test("no process of Dovecot's died of the missing modules", not broken, broken[:5])


def bring_back(deb):
    apt("install", deb)
    wait_until(lambda: not routed(), "users reach their backends", 60)
    test("installed again, it works as before", reached() == ["b1", "b2"])
    test("nothing of the removal is left", not glob.glob("/etc/dovecot/conf.d/90-proxymap*removed*"))


def purge(before):
    auth_system(on=True)
    sh("invoke-rc.d dovecot reload")
    with Load(answered) as load:
        apt("purge", PACKAGE)
    test(f"Dovecot answers all the time while the package is purged ({load.count} connections)", not load.wrong, load.wrong[:3])
    sh("/etc/init.d/dovecot restart")
    wait_until(lambda: local_login() == "ok", "the host's own users log in", 60)
    test("the host's own users log in as before", True)
    apt("autoremove", "--purge")
    left = files() - before
    test("no file of ours is left behind", not left, sorted(left))
    test("no registry names us", not registries(), registries())


def main():
    out = sys.argv[1]
    os.makedirs(WORK)
    set_up_host()
    tls = certificate.make(f"{WORK}/tls", ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    backends = [Backend(name, f"{WORK}/{name}", address, tls, services=("imap", "lmtp"))
                for name, address in (("b1", "127.0.0.2"), ("b2", "127.0.0.3"))]
    try:
        for backend in backends:
            backend.start()
        before, conf = files(), contents("/etc/dovecot")
        deb = installed_deb(out)
        install(deb)
        follow_tutorial()
        become_proxy(backends)
        bad_settings()
        upgrade(deb)
        upgrade_dovecot()
        remove_in_use()
        bring_back(deb)
        purge(before)
        changed = sorted(name for name, text in contents("/etc/dovecot").items() if conf.get(name) != text)
        test("Dovecot's configuration is what it was", not changed, changed)
    except Exception as problem:  # pylint: disable=broad-except # whatever it is, it counts
        test("all steps can be taken", False, f"{problem!r}\n{log(max(0, mark() - 1500)) if os.path.exists(LOG) else ''}")
    finally:
        for backend in backends:
            backend.begin_stop()
        for backend in backends:
            backend.stop()
        sh("/etc/init.d/dovecot stop", check=False)
    test.end()


main()
