"""IMAP logins through a proxy, one after the other by each of a few clients, while something else happens."""

import collections
import threading

from . import clients
from .process import wait_until


class Load:
    """Until the block ends. who(): the next user and his password; outcomes: how many of each there were."""
    CLIENTS = 3

    def __init__(self, site, who):
        self.address, self.who = site.proxy.address("imap"), who
        self.outcomes = collections.Counter()
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(self.CLIENTS)]

    def run(self):
        while not self.ended.is_set():
            self.outcomes[clients.login("imap", self.address, *self.who()).outcome] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def wait_for_more(self, count, seconds=30):
        enough = self.outcomes["ok"] + count
        wait_until(lambda: self.outcomes["ok"] >= enough, f"{count} more logins", seconds)
