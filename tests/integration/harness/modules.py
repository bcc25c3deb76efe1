"""Lets stock Dovecot find our modules without installing them.

The module folder is compiled into Dovecot. So this process gets a mount namespace of its own, and
in it a copy of the stock folder, with our modules added, lies over the real one. Every dovecot and
doveadm that is started later sees it; nobody else on the machine does. Needs root.
"""

import ctypes
import os
import shutil
import subprocess

CLONE_NEWNS = 0x00020000
OURS = ("auth", "login", "doveadm", "settings")


def stock_folder():
    """Where this Dovecot looks for modules."""
    for folder in ("/usr/lib/dovecot/modules", "/usr/lib64/dovecot"):
        if os.path.isdir(os.path.join(folder, "auth")):
            return folder
    raise RuntimeError("Dovecot's module folder is not in a usual place")


def own_namespace():
    """What is mounted from here on is seen by this process and what it starts alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        error = ctypes.get_errno()
        raise PermissionError(error, f"unshare: {os.strerror(error)} (the tests need root)")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def overlay(built, scratch):
    """Lays the modules of `built` (folders auth, login, doveadm ...) over Dovecot's own.

    Call it once, from the main thread, before any server is started. With built = None the stock
    modules stay as they are.
    """
    if built is None:
        return
    own_namespace()
    stock = stock_folder()
    copy = os.path.join(scratch, "modules")
    shutil.copytree(stock, copy, symlinks=True)
    for kind in OURS:
        source = os.path.join(built, kind)
        if not os.path.isdir(source):
            continue
        os.makedirs(os.path.join(copy, kind), exist_ok=True)
        for name in os.listdir(source):
            if name.endswith(".so"):
                shutil.copy2(os.path.join(source, name), os.path.join(copy, kind, name))
    subprocess.run(["mount", "--bind", copy, stock], check=True)
