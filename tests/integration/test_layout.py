"""A Dovecot whose structures are not those that the plugin was built with.

In truth the plugin is: it is built against a copy of Dovecot's header in which something was moved.
It must then touch nothing, and nobody may get past a policy.
"""

import glob
import os
import re
import subprocess

import pytest

from harness import authority, branch, clients, sanitizer
from harness.fakebackend import FakeBackend

BUILD = os.environ.get("PROXYMAP_BUILD", "")
if not BUILD:
    pytest.skip("PROXYMAP_BUILD, the folder of the build, is not set", allow_module_level=True)
if sanitizer.PRELOAD:
    pytest.skip("what is built here has no sanitizers", allow_module_level=True)

SOURCES = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
MODULE = "lib10_login_proxy_ext_plugin"  # Dovecot derives the names of its functions from that of the file
# The files of src/dovecot that know a client's structure.
ADAPTER = ("login", "login_" + branch.installed().replace(".", "_"))
SAYS = "lays out its clients otherwise"

# Where something is inserted: before the first line of this kind.
PLACES = {
    "the first field": r"^\tstruct client \*prev",
    "a function": r"^\tvoid \(\*input\)\(struct client",
    "one of the last fields": r"^\tchar \*virtual_user",
}


def make_variable(name):
    with open(os.path.join(BUILD, "Makefile"), encoding="utf-8") as makefile:
        return re.search(rf"^{name} = (.*)", makefile.read(), re.M)[1].split()


@pytest.fixture(scope="module")
def build_altered(workspace):
    """build_altered(place): a folder with the plugin, all else in it as it was built."""
    def build(place):
        folder = os.path.join(workspace, "altered-" + place.replace(" ", "-"))
        os.makedirs(folder)
        flags = make_variable("DOVECOT_CPPFLAGS")
        header = next(path for flag in (*re.findall(r"\S*/\S*", " ".join(flags)), "/usr/include/dovecot")
                      if os.path.isfile(path := os.path.join(flag.removeprefix("-I"), "client-common.h")))
        with open(header, encoding="utf-8") as file:
            text, moved = re.subn(PLACES[place], r"\tvoid *inserted_for_a_test;\n\g<0>", file.read(), count=1, flags=re.M)
        assert moved == 1
        with open(os.path.join(folder, "client-common.h"), "w", encoding="utf-8") as file:
            file.write(text)
        made = [os.path.join(folder, f"{name}.o") for name in ADAPTER]
        for path, name in zip(made, ADAPTER):
            subprocess.run(["g++", "-std=gnu++20", "-O0", "-fPIC", "-fvisibility=hidden", "-DHAVE_CONFIG_H", f"-I{folder}",
                            f"-I{BUILD}", f"-I{SOURCES}/src", *flags, "-c", f"{SOURCES}/src/dovecot/{name}.cc", "-o", path],
                           check=True)
        # libtool's objects; those that are for the plugin alone have its name.
        objects = [path for path in glob.glob(f"{BUILD}/src/*/.libs/{MODULE}_la-*.o")
                   if re.search(r"_la-(.*)\.o$", path)[1] not in ADAPTER]
        assert len(objects) >= 3
        archives = [f"{BUILD}/.libs/libproxymap_{name}.a" for name in ("login", "dovecot", "core")]
        subprocess.run(["g++", "-shared", "-Wl,-z,nodelete", "-Wl,--gc-sections", "-o",
                        os.path.join(folder, f"{MODULE}.so"), *made, *objects, *archives, "-lssl", "-lcrypto"], check=True)
        return folder
    return build


@pytest.fixture(scope="module")
def certificates(workspace):
    ours = authority.Authority(os.path.join(workspace, "layout-ca"), "layout ca")
    return ours, ours.issue("good", ["127.0.0.60"])


@pytest.mark.parametrize("place", [None, *PLACES])
def test_with_another_layout_nothing_is_touched_and_no_policy_passed(
        make_site, make_map, build_altered, certificates, place):
    authority_, certificate = certificates
    with FakeBackend("127.0.0.60", tls=certificate, at_once=True) as fake:
        pmap = make_map()
        pmap.sections = (f"tls_policy strict {{\n  ca_file = {authority_.ca}\n}}\n"
                         "source_pool out {\n  addresses = 127.0.2.2\n}\n")
        pmap.write()
        folder = f"login_plugin_dir = {build_altered(place)}\n" if place else ""
        site = make_site(f"user strict host={fake.host} port={fake.port} tls=ssl tls_policy=strict\n"
                         "user out backend=b1 source=out\nuser plain backend=b1\n", pmap=pmap, service_count=0, services=("imap",),
                         extra=folder + "service imap-login {\n  process_limit = 1\n}\n")
        for _ in range(2):
            assert site.login("imap", "plain").real_rip == "127.0.0.1"
        # Without a plugin that touches anything the source is Dovecot's.
        assert site.login("imap", "out").real_rip == ("127.0.0.1" if place else "127.0.2.2")
        if place is None:
            assert clients.login("imap", site.proxy.address("imap"), "strict", "secret").outcome == "ok"
            assert site.proxy.grep(SAYS) == []
            return
        for _ in range(2):
            assert site.login("imap", "strict").outcome == "temp_failed"
        assert fake.connections == 0
        assert len(site.proxy.grep(SAYS)) == 1
