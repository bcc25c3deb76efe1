"""Fixtures of the integration tests; what they start is described in README.md."""

import contextlib
import itertools
import os
import shutil
import tempfile

import pytest

from harness import (authclient, backend, branch, certificate, memcached, modules, namespace, parallel, proxymap,
                      sanitizer, site, smtpsink, tool)
from harness.dovecot import Dovecot

BACKEND_ADDRESSES = {"b1": "127.0.0.2", "b2": "127.0.0.3", "b3": "127.0.0.4"}


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="keep the folder with configurations and logs")


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("the integration tests start Dovecots: run them as root")
    config.addinivalue_line("markers", "alone: measures something, so nothing else runs at the same time")
    config.addinivalue_line("markers", "apart: shares nothing costly with its module, so it need not run where that does")
    config.addinivalue_line("markers", "only_on(branch, why): of Dovecot; for what the other one does not have")
    worker = getattr(config, "workerinput", None)  # of pytest-xdist; its main process has none, and runs no test
    if worker is None:
        config.workspace = tempfile.mkdtemp(prefix="proxymap-")
        os.chmod(config.workspace, 0o755)  # Dovecot's users must get through
        config.turn = parallel.Turn(config.workspace)
    else:
        config.turn = parallel.Turn(worker["workspace"])
        config.workspace = os.path.join(worker["workspace"], worker["workerid"])
        os.mkdir(config.workspace)
    if worker is not None or not config.getoption("numprocesses", None):
        namespace.enter_own()
        modules.overlay(os.environ.get("PROXYMAP_MODULES"), config.workspace)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """A worker has a folder in the one of the run."""
    node.workerinput["workspace"] = node.config.workspace


def pytest_unconfigure(config):
    folder = getattr(config, "workspace", None)
    if folder is None or hasattr(config, "workerinput"):
        return
    if config.getoption("--keep"):
        print(f"\nconfigurations and logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items):
    parallel.group(items)
    for item in items:
        for mark in item.iter_markers("only_on"):
            if mark.args[0] != branch.installed():
                item.add_marker(pytest.mark.skip(reason=f"Dovecot {mark.args[0]} only: {mark.args[1]}"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    with item.config.turn.of(item):
        yield


@pytest.fixture(scope="session")
def workspace(request):
    return request.config.workspace


@pytest.fixture(scope="session")
def tls(workspace):
    """The CA and certificate of all servers."""
    return certificate.make(os.path.join(workspace, "tls"),
                            ["127.0.0.1", *BACKEND_ADDRESSES.values()], ["backend.test"])


@pytest.fixture(scope="session")
def sink():
    server = smtpsink.SmtpSink()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def make_backend(workspace, tls, sink):
    """make_backend("b3"): starts another backend, for as long as the run."""
    servers = []

    def make(name, **more):
        # Two files of tests may want one of the same name.
        server = backend.Backend(name, os.path.join(workspace, f"{name}.{next(_numbers)}"),
                                 BACKEND_ADDRESSES[name], tls, sink.address, **more)
        servers.append(server)
        return server.start()
    yield make
    for server in servers:
        server.begin_stop()
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def backends(make_backend):
    """The two backends that everybody shares: leave them running."""
    return [make_backend("b1"), make_backend("b2")]


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def make_memcached(workspace):
    """make_memcached(unix=True): starts a memcached; fields as of memcached.Memcached."""
    with contextlib.ExitStack() as stack:
        def make(**more):
            folder = os.path.join(workspace, f"memcached{next(_numbers)}")
            return stack.enter_context(memcached.Memcached(folder, **more))
        yield make


@pytest.fixture(scope="module")
def make_map(workspace):
    """make_map(stores="lmdb", verify="map"): settings file and table of a new map."""
    return lambda **settings: proxymap.Proxymap(os.path.join(workspace, f"map{next(_numbers)}"), **settings)


@pytest.fixture(scope="module")
def make_tool(workspace, make_map):
    """make_tool(routes=TEXT, stores="lmdb"): the tool with a new map; settings as of make_map."""
    def make(routes=None, **settings):
        made = tool.Tool(os.path.join(workspace, f"tool{next(_numbers)}"), make_map(**settings))
        if routes is not None:
            made("import", made.write("routes", routes))
        return made
    return make


@pytest.fixture(scope="module")
def make_site(workspace, backends, tls, sink, make_map):
    """make_site(routes=TEXT, settings={...}, passdbs=[...], **spec): a started proxy with its map.

    The backends' own records come before the routes. passdbs: default is the one block of proxymap;
    a function of the Proxymap gives others. spec: fields of branch.Spec. Stopped after the module,
    and then its log must be free of crashes (unless the test has set site.proxy.may_crash).
    """
    proxies = []
    try:
        def make(routes=None, settings=None, passdbs=None, pmap=None, start=True, **spec):
            pmap = pmap or make_map(**(settings or {}))
            blocks = [pmap.passdb()] if passdbs is None else passdbs(pmap)
            services = spec.pop("services", branch.SERVICES)
            spec.setdefault("login_settings", pmap.conf)  # the pair, as admins install it
            proxy = Dovecot(branch.Spec(
                name="proxy", folder=os.path.join(workspace, f"proxy{next(_numbers)}"), passdbs=blocks,
                certificate=tls.certificate, key=tls.key, relay=sink.address, **spec), services)
            made = site.Site(proxy, backends, pmap)
            proxy.write_conf()
            if routes is not None:
                pmap.load(proxy, "".join(server.record() for server in backends) + routes)
            proxies.append(proxy)
            if start:
                proxy.start()
            if start and sanitizer.PRELOAD:
                authclient.AuthClient(proxy.socket("auth-client")).close()  # so that there is an auth process
                assert sanitizer.in_force(proxy.auth_pid())
            return made
        yield make
    finally:
        for proxy in proxies:
            proxy.begin_stop()
        for proxy in proxies:
            proxy.stop()
    crashes = [line for proxy in proxies if not proxy.may_crash for line in proxy.crashes()]
    assert not crashes, "\n".join(crashes)
