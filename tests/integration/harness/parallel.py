"""Tests that run at the same time: which of them stay together, and which want the machine for themselves.

Each worker of pytest-xdist is a process with a mount namespace, a network and servers of its own, so its tests
meet those of another nowhere but at the processors. By default the tests of a file are run by one worker, for
they share servers. With `@pytest.mark.apart` each goes to whoever is free. One with `@pytest.mark.alone`
begins when no other runs, and none begins before it ends; they come last, one after the other.
"""

import contextlib
import fcntl
import os

import pytest


def group(items):
    """Sets the groups for `--dist loadgroup`, and the order: first what anybody can run, last what runs alone."""
    places = {}
    for number, item in enumerate(items):
        if item.get_closest_marker("alone"):
            places[item], name = 2, "alone"
        elif item.get_closest_marker("apart"):
            places[item], name = 0, str(number)
        else:
            places[item], name = 1, item.path.stem
        item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=places.get)


class Turn:
    """A file that all workers lock: those that run alone for themselves, the others together."""

    def __init__(self, folder):
        self._path = os.path.join(folder, "turn")

    @contextlib.contextmanager
    def of(self, item):
        with open(self._path, "a", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
            yield
