"""What a source address costs: to choose it, and to bind it when half of its ports are in use."""

import json
import os
import statistics
import subprocess

import figures
from servers import Problem

SHIM = "login/libproxymap_noport.so"
SOURCE = "127.0.9.1"
CALLS = 200


class Sources:
    def __init__(self, options):
        self.options = options
        self.choices = []
        self.binds = {"stock": [], "shim": []}

    def run(self):
        done = subprocess.run([self.options.source_choice], stdout=subprocess.PIPE, text=True,
                              check=True)
        self.choices = [json.loads(line) for line in done.stdout.splitlines()]
        self._run_binds()

    def _run_binds(self):
        with subprocess.Popen([self.options.bind_cost, "--hold", "0.5", SOURCE],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            held = holder.stdout.readline().strip()
            if not held.startswith("holding "):
                raise Problem("bind-cost could not take half of the ports")
            self.options.progress(f"sources: {held} ports")
            for number in range(self.options.bind_rounds):
                for name in sorted(self.binds, reverse=number % 2 == 0):
                    self.binds[name].append(self._bind(name))
            holder.stdin.close()

    def _bind(self, name):
        environment = dict(os.environ)
        if name == "shim":
            environment["LD_PRELOAD"] = os.path.join(self.options.modules, SHIM)
        done = subprocess.run([self.options.bind_cost, "--measure", str(CALLS), SOURCE],
                              env=environment, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    def column(self, name, call, figure):
        return [one[call][figure] / 1000 for one in self.binds[name]]

    def report(self):
        largest = max(one["addresses"] for one in self.choices)
        slowest = max(one["ns"] for one in self.choices if one["addresses"] == largest)
        # The median of each round, for a few calls are disturbed by whatever else runs.
        ratio = figures.Ratio(self.column("shim", "bind_ns", "p50"),
                              self.column("stock", "bind_ns", "p50"))
        rows = [[name, *(f"{statistics.median(self.column(name, call, figure)):.1f}"
                         for call in ("bind_ns", "connect_ns") for figure in ("p50", "p99"))]
                for name in self.binds]
        return "\n\n".join((
            figures.table(["addresses", "choose", "ns", "first µs", "stock's turns ns"],
                          [[one["addresses"], one["choose"], f"{one['ns']:.0f}",
                            f"{one['first_us']:.0f}", f"{one['stock_ns']:.0f}"]
                           for one in self.choices]),
            figures.table(["half of the ports in use", "bind p50 µs", "bind p99 µs",
                           "connect p50 µs", "connect p99 µs"], rows),
            figures.table(["goal", "limit", "figure", "verdict"],
                          [[f"choosing a source, {largest} addresses, slowest rule", "≤ 2 µs",
                            f"{slowest / 1000:.2f} µs",
                            "reached" if slowest <= 2000 else "missed"],
                           ["time in bind, shim / stock", "≤ 0.02", ratio.text(4),
                            ratio.verdict(at_most=0.02)]])))

    def data(self):
        return {"choices": self.choices, "binds": self.binds}
