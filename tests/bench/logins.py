"""What the login plugin costs and saves: proxied IMAP logins with and without it.

Each case has two proxies that differ in nothing else, and one backend for both. A figure counts
only if every login of it came out at the backend, from the addresses and with the TLS that the name
of the case says; the backend itself is the witness.
"""

import json
import os
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field

import figures
from proxies import (ADDRESS, CERTIFIED, ELLIPTIC, Backend, Certificates, Dovecot_backend,
                     Proxy)
from servers import Modules, Problem

POOL = [f"127.0.2.{number}" for number in range(1, 5)]
BUNDLE_BYTES = 220_000  # what Debian's ca-certificates.crt has
OUTSTANDING = {0: 16, 1: 8}


@dataclass
class Side:
    """One of the two proxies of a case."""
    route: str = ""        # fields besides host and port
    settings: str = ""     # of dovecot.conf
    sections: str = ""     # of the plugin's settings file
    plugin: bool = False


@dataclass
class Case:
    name: str
    stock: Side
    ours: Side
    goals: list            # (words, column, limit in words, limits)
    service_count: int = 0
    tls: str = ""          # "", minimal, dovecot: the backend
    sources: tuple = ()    # addresses that the backend must see; none: not asked
    resumed: bool = False  # what the backend must see of ours; of stock: never
    rounds: dict = field(default_factory=lambda: {"stock": [], "plugin": []})

    def column(self, side, name):
        return [one[name] for one in self.rounds[side]]


def all_cases(folder, certificates):
    def at_most(value):
        return f"≤ {value:.2f}", {"at_most": value}

    verify = f"{certificates.settings()}ssl_ca = <{certificates.ca}\nssl_require_crl = no\n"
    to_certified = f"host={CERTIFIED} hostip={ADDRESS} ssl=yes"
    policy = f"tls_policy strict {{\n  ca_file = {certificates.ca}\n}}\n"
    resumption = {
        "stock": Side(to_certified, verify),
        "ours": Side(f"{to_certified} proxymap_tls=strict", verify, policy, plugin=True)}
    return [
        Case("loaded", Side(), Side(plugin=True),
             [("plugin loaded, CPU of the proxy", "cpu_us", *at_most(1.03))]),
        Case("pool", Side(settings=f"login_source_ips = {' '.join(POOL)}\n"),
             Side("proxymap_source=out",
                  sections=f"source_pool out {{\n  addresses = {' '.join(POOL)}\n}}\n",
                  plugin=True),
             [("source pool against login_source_ips, CPU of the proxy", "cpu_us",
               *at_most(1.03))], sources=tuple(POOL)),
        # Clients have TLS, as everywhere: Dovecot loads OpenSSL in each process then.
        Case("process", Side(settings=certificates.settings()),
             Side(settings=certificates.settings(), sections=unused_policies(folder, certificates),
                  plugin=True),
             [("a process for each login, five unused policies, CPU of the proxy", "cpu_us",
               *at_most(1.05))], service_count=1),
        Case("resumption", **resumption, tls="minimal", resumed=True,
             goals=[("resumption, CPU of the proxy", "cpu_us", *at_most(0.80)),
                    ("resumption, CPU of imap-backend", "backend_us", *at_most(0.80))]),
        Case("resumption-dovecot", **resumption, tls="dovecot",
             goals=[("resumption, Dovecot behind it, CPU of the proxy", "cpu_us", *at_most(0.80)),
                    ("resumption, CPU of the backend's login process", "backend_login_us",
                     *at_most(0.80)),
                    ("resumption, CPU of all of the Dovecot behind it", "backend_us",
                     *at_most(0.80))]),
    ]


CASE_NAMES = ("loaded", "pool", "process", "resumption", "resumption-dovecot")


def unused_policies(folder, certificates):
    """Five policies, with a CA bundle as large as a system's, and certificates and keys."""
    with open(certificates.ca, encoding="ascii") as file:
        one = file.read()
    bundle = os.path.join(folder, "bundle.pem")
    with open(bundle, "w", encoding="ascii") as file:
        file.write(one * (BUNDLE_BYTES // len(one) + 1))
    sections = []
    for number in range(5):
        certificate, key = (shutil.copy(path, os.path.join(folder, f"proxy{number}{path[-4:]}"))
                            for path in (certificates.certificate, certificates.key))
        sections.append(f"tls_policy p{number} {{\n  ca_file = {bundle}\n"
                        f"  certificate = {certificate}\n  key = {key}\n}}\n")
    return "".join(sections)


def run_login_load(tool, port, marker, *options):
    done = subprocess.run([tool, "--server", f"{ADDRESS}:{port}", "--marker", marker,
                           *map(str, options)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          check=False, text=True)
    if done.returncode != 0:
        raise Problem(f"login-load had no answer to each login: {done.stdout.strip()}")
    return json.loads(done.stdout)


class Logins:
    def __init__(self, options, folder):
        self.options = options
        self.folder = os.path.join(folder, "logins")
        os.makedirs(self.folder)
        self.certificates = Certificates(self.folder, *([ELLIPTIC] if options.elliptic else []))
        # A copy for each, for they shall differ in nothing but the plugin.
        self.modules = {name: Modules(os.path.join(self.folder, name), ours)
                        for name, ours in (("stock", None), ("plugin", options.modules))}
        wanted = options.cases or CASE_NAMES
        self.cases = [case for case in all_cases(self.folder, self.certificates)
                      if case.name in wanted]

    def run(self):
        for number, case in enumerate(self.cases):
            self._run_case(case, 20000 + 10 * number)

    def _run_case(self, case, port):
        folder = os.path.join(self.folder, case.name)
        if case.tls == "dovecot":
            backend = Dovecot_backend(folder + "-backend", port, self.certificates)
        else:
            backend = Backend(self.options.imap_backend, port,
                              self.certificates if case.tls else None)
        proxies = {}
        try:
            for number, (name, side) in enumerate((("stock", case.stock), ("plugin", case.ours))):
                proxies[name] = self._proxy(f"{folder}-{name}", name, case, side, backend.port,
                                            port + number + 1)
            for number in range(self.options.login_rounds):
                # To and fro, so that none always runs behind the other.
                for name in sorted(proxies, reverse=number % 2 == 0):
                    case.rounds[name].append(self._one_round(case, name, proxies[name], backend))
                self.options.progress(f"{case.name}: round {number + 1} of "
                                      f"{self.options.login_rounds}")
        finally:
            for server in (*proxies.values(), backend):
                server.stop()

    def _proxy(self, folder, name, case, side, backend_port, port):
        plugin = None
        if side.plugin:
            plugin = folder + ".conf.ext"
            with open(plugin, "w", encoding="ascii") as file:
                file.write(side.sections)
        route = side.route if "host=" in side.route else f"host=127.0.0.1 {side.route}"
        return Proxy(folder, self.modules[name], port, f"{route} port={backend_port}",
                     case.service_count, side.settings or "ssl = no\n", plugin)

    def _load(self, case, proxy, backend, *options):
        load = run_login_load(self.options.login_load, proxy.port, backend.marker,
                              "--outstanding", OUTSTANDING[case.service_count], *options)
        if load["ok"] != load["requests"]:
            raise Problem(f"{case.name}: only {load['ok']} of {load['requests']} logins succeeded: "
                          f"{proxy.last_log_lines()}")
        return load

    def _one_round(self, case, name, proxy, backend):
        proxy.renew()
        if case.service_count == 0: # else there is no process that could be warm
            self._load(case, proxy, backend, "--requests", 100)
        before = backend.counts()
        cpu, backend_cpu = proxy.cpu_ns(), backend.cpu_ns()
        login_cpu = backend.login_cpu_ns() if case.tls == "dovecot" else 0
        load = self._load(case, proxy, backend, "--seconds", self.options.login_seconds)
        logins = load["requests"]
        result = {
            "logins": logins,
            "logins_per_second": load["requests_per_second"],
            "cpu_us": (proxy.cpu_ns() - cpu) / 1000 / logins,
            "backend_us": (backend.cpu_ns() - backend_cpu) / 1000 / logins,
            "p50_us": load["latency_us"]["p50"],
            "p99_us": load["latency_us"]["p99"],
        }
        if case.tls == "dovecot":
            result["backend_login_us"] = (backend.login_cpu_ns() - login_cpu) / 1000 / logins
        self._check(case, name, logins, before, backend.counts())
        return result

    @staticmethod
    def _check(case, name, logins, before, after):
        def grown(key):
            return after[key] - before[key]

        if grown("logins") != logins:
            raise Problem(f"{case.name}, {name}: {logins} logins, but the backend has seen "
                          f"{grown('logins')}")
        if case.sources:
            seen = {source: count - before["sources"].get(source, 0)
                    for source, count in after["sources"].items()}
            seen = {source: count for source, count in seen.items() if count > 0}
            if set(seen) != set(case.sources):
                raise Problem(f"{case.name}, {name}: the backend has seen the addresses {seen} "
                              f"and not {' '.join(case.sources)}")
        if case.tls == "minimal":
            resumed = grown("resumed") / grown("handshakes")
            if resumed < 0.98 if case.resumed and name == "plugin" else resumed > 0:
                raise Problem(f"{case.name}, {name}: the backend has seen {resumed:.0%} of the "
                              "TLS sessions resumed")

    def report(self):
        rows, goals = [], []
        for case in self.cases:
            for name, rounds in case.rounds.items():
                row = [case.name, name, case.service_count]
                for column, digits in (("logins_per_second", 0), ("cpu_us", 1), ("backend_us", 1),
                                       ("p50_us", 0), ("p99_us", 0)):
                    row.append(f"{statistics.median(one[column] for one in rounds):.{digits}f}")
                rows.append(row)
            for words, column, limit, limits in case.goals:
                ratio = figures.Ratio(case.column("plugin", column), case.column("stock", column))
                goals.append([words, limit, ratio.text(3), ratio.verdict(**limits)])
        return (figures.table(["case", "proxy", "service_count", "logins/s", "proxy CPU µs/login",
                               "backend CPU µs/login", "p50 µs", "p99 µs"], rows)
                + "\n\n" + figures.table(["goal, plugin / stock", "limit", "ratio (95 % interval)",
                                          "verdict"], goals))

    def data(self):
        return {case.name: case.rounds for case in self.cases}
