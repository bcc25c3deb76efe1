"""Lays folders of a test over the machine's own, in a mount namespace that nobody else sees."""

import contextlib
import functools
import os
import subprocess

from . import modules


@functools.cache
def enter_own():
    """modules.overlay() has done it already, unless the modules are those that are installed."""
    if not os.environ.get("PROXYMAP_MODULES"):
        modules.own_namespace()


@contextlib.contextmanager
def over(place, folder):
    """Within the block the files of `folder` are at `place`, for this process and all that it starts."""
    enter_own()
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["mount", "--bind", folder, place], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
