"""The demo itself: ./demo builds and calls this. Stands on the servers of tests/integration/harness."""

import os
import re
import shutil
import signal
import sys
import tempfile

signal.signal(signal.SIGINT, lambda *_: sys.exit(130))  # until there is something to clean up
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

from harness import branch, certificate, clients, memcached, modules, proxymap  # noqa: E402
from harness.backend import Backend, password_of  # noqa: E402
from harness.dovecot import Dovecot  # noqa: E402


def show(title, text=""):
    print(f"\n{title}")
    for line in text.splitlines():
        print(f"    {line}")
    sys.stdout.flush()


def run(folder, with_memcached, servers):
    """Starts everything; appends to servers what must be stopped. True: all was as it should be."""
    tls = certificate.make(os.path.join(folder, "tls"), ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    backends = []
    for name, address in (("b1", "127.0.0.2"), ("b2", "127.0.0.3")):
        backends.append(Backend(name, os.path.join(folder, name), address, tls, services=("imap",)))
        servers.append(backends[-1])
        backends[-1].start()

    stores = "lmdb"
    if with_memcached:
        mirror = memcached.Memcached(os.path.join(folder, "memcached"))
        servers.append(mirror)
        mirror.start()
        stores = mirror.setting
    pmap = proxymap.Proxymap(os.path.join(folder, "map"), stores=stores)
    proxy = Dovecot(branch.Spec(name="proxy", folder=os.path.join(folder, "proxy"), passdbs=[pmap.passdb()],
                                certificate=tls.certificate, key=tls.key), services=("imap",))
    proxy.write_conf()
    where = "127.0.0.1:%d" % proxy.spec.ports["imap"]
    show("Three real Dovecots:", f"proxy  {where}\n" + "\n".join(
        f"{b.name}     {b.spec.address}:{b.spec.ports['imap']}" for b in backends))
    with open(pmap.conf, encoding="utf-8") as file:
        show("The plugin's settings (proxymap.conf.ext):", file.read())

    routes = "".join(b.record() for b in backends) + "user john backend=b1\ndomain example.org backend=b2\n"
    pmap.load(proxy, routes)
    show("The map, loaded by `doveadm proxymap import`" + (f" into {stores}:" if with_memcached else ":"), routes)
    if with_memcached:
        show("As memcached holds it:", "\n".join(
            f"{key} → {mirror.get(key).decode()}" for key in ("pm:user:john", "pm:domain:example.org")))

    servers.append(proxy)
    proxy.start()
    good = True
    show("Two users log in at the proxy, with curl:")
    for user, expected in (("john", "b1"), ("joe@example.org", "b2")):
        code, text = clients.curl(f"imap://{where}/", user, password_of(user))
        reached = "".join(re.findall(r"I-am-(\w+)", text)) or f"nobody (curl {code}: {text.strip()})"
        print(f"    curl --user '{user}:…' imap://{where}/    reached {reached}")
        good = good and reached == expected
    code, _ = clients.curl(f"imap://{where}/", "john", "wrong")
    print(f"    … and john with a wrong password: {'denied by his backend' if code == 67 else f'curl {code}'}")
    show("What the proxy logged:", "\n".join(
        line.partition("Info: ")[2].partition(": user=")[0] for line in proxy.grep("Started proxying|Login failed")))
    return good and code == 67


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with_memcached = sys.argv[1:] == ["--memcached"]
    folder = tempfile.mkdtemp(prefix="proxymap-demo-")
    os.chmod(folder, 0o755)
    servers = []
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        modules.overlay(os.environ.get("PROXYMAP_MODULES"), folder)  # None: those that are installed
        good = run(folder, with_memcached, servers)
        print("\nEach user reached the right backend. Cleaning up." if good else "\nThat is not as it should be.")
        return 0 if good else 1
    except KeyboardInterrupt:
        print("\nStopped. Cleaning up.")
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for server in servers:
            if isinstance(server, Dovecot):
                server.begin_stop()
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


sys.exit(main())
