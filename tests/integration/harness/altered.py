"""Modules that were built against other headers than those of the Dovecot that loads them.

As when Debian changes a structure under an unchanged ABI version. A copy of one of Dovecot's headers gets one more
member, and the sources of src/dovecot, the only ones that see its headers, are compiled once more.
"""

import contextlib
import dataclasses
import glob
import os
import re
import subprocess

from . import modules

BUILD = os.environ.get("PROXYMAP_BUILD", "")
_ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
# The last one: or a header that is a link would find its neighbours where it leads to.
_FLAGS = ["-std=gnu++20", "-O0", "-fPIC", "-fvisibility=hidden", "-DHAVE_CONFIG_H", "-fno-canonical-system-headers"]
# Parsed once for all.
_STANDARD = ("algorithm", "atomic", "functional", "map", "memory", "optional", "string", "string_view", "unordered_map",
             "utility", "vector")


@dataclasses.dataclass(frozen=True)
class Place:
    """One more member, in the header's structure before the line that has this text."""
    header: str
    structure: str
    before: str
    member: str = "void *inserted_for_a_test;"

    def __str__(self):
        return f"{self.structure}, before {self.before}"

    def alter(self, text):
        start = re.search(rf"^struct {self.structure} {{$", text, re.M).end()
        # Not in a comment.
        line = re.compile(rf"^(?!\s*/?\*).*{re.escape(self.before)}", re.M).search(text, start)
        end = re.compile(r"^}", re.M).search(text, start)
        assert line and line.start() <= end.start(), f"{self.header} has no {self}"
        return f"{text[:line.start()]}\t{self.member}\n{text[line.start():]}"


@dataclasses.dataclass(frozen=True)
class Module:
    folder: str  # of Dovecot's module folder
    name: str
    archives: tuple
    libraries: tuple


LOGIN = Module("login", "lib10_login_proxy_ext_plugin", ("login", "dovecot", "core"), ("-lssl", "-lcrypto"))
PASSDB = Module("auth", "libauthdb_proxymap", ("dovecot", "store", "core"), ("LIBMEMCACHED_LIBS", "LMDB_LIBS", "-lcrypto"))
DOVEADM = Module("doveadm", "lib10_doveadm_proxymap_plugin", ("dovecot", "login", "store", "core"),
                 ("LIBMEMCACHED_LIBS", "LMDB_LIBS", "-lssl", "-lcrypto"))


def _make_variable(name):
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as makefile:
        return re.search(rf"^{name} = (.*)", makefile.read(), re.M)[1].split()


def _object_name(path):
    return re.search(r"_la-(.*)\.o$", path)[1]


class Builder:
    def __init__(self, folder):
        self._folder = folder
        os.makedirs(folder)
        self._flags = _make_variable("DOVECOT_CPPFLAGS")
        self._header = os.path.join(folder, "standard.h")
        with open(self._header, "w", encoding="ascii") as file:
            file.writelines(f"#include <{name}>\n" for name in _STANDARD)
        subprocess.run(["g++", *_FLAGS, "-x", "c++-header", self._header], check=True)

    def _alter(self, place, folder):
        """Puts Dovecot's headers there, which include one another; returns the flags for them."""
        named = [re.sub("^-I", "", flag) for flag in self._flags]
        original = next(path for path in named if os.path.isfile(os.path.join(path, place.header)))
        os.makedirs(folder)
        for name in os.listdir(original):
            os.symlink(os.path.join(original, name), os.path.join(folder, name))
        altered = os.path.join(folder, place.header)
        with open(altered, encoding="utf-8") as file:
            text = place.alter(file.read())
        os.remove(altered)
        with open(altered, "w", encoding="utf-8") as file:
            file.write(text)
        return [flag.replace(original, folder) for flag in self._flags]

    def build(self, module, place):
        """Path of the module; in a folder without others."""
        folder = os.path.join(self._folder, re.sub(r"\W+", "-", f"{module.folder} {place}"))
        os.makedirs(folder)
        flags = self._alter(place, os.path.join(folder, "headers"))
        # libtool's objects; those that are for the module alone have its name.
        objects = glob.glob(f"{BUILD}/src/*/.libs/{module.name}_la-*.o")
        again = [path for path in objects if "/src/dovecot/" in path and not _object_name(path).startswith("dns")]
        assert again and len(objects) > len(again)
        source = "".join(f'#include "{_ROOT}/src/dovecot/{_object_name(path)}.cc"\n' for path in sorted(again))
        made = os.path.join(folder, "again.o")
        subprocess.run(["g++", *_FLAGS, "-include", self._header, f"-I{BUILD}", f"-I{_ROOT}/src", *flags,
                        "-c", "-x", "c++", "-", "-o", made], input=source, text=True, check=True)
        libraries = [word for library in module.libraries
                     for word in ([library] if library.startswith("-") else _make_variable(library))]
        path = os.path.join(folder, f"{module.name}.so")
        subprocess.run(["g++", "-shared", "-Wl,-z,nodelete", "-Wl,--gc-sections", "-o", path, made,
                        *(path for path in objects if path not in again),
                        *(f"{BUILD}/.libs/libproxymap_{name}.a" for name in module.archives), *libraries], check=True)
        os.remove(made)
        return path


@contextlib.contextmanager
def in_place(module, path):
    """What Dovecot loads of that name, in this process's own mount namespace."""
    stock = os.path.join(modules.stock_folder(), module.folder, f"{module.name}.so")
    subprocess.run(["mount", "--bind", path, stock], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", stock], check=True)
