"""Modules that were built with sanitizers, in a Dovecot that was not.

With PROXYMAP_SANITIZER=/path/to/libasan.so:/path/to/libubsan.so in the environment, whatever loads our
modules is started with these libraries before all others. What a sanitizer has to say is a crash: see Dovecot.crashes().
Leaks are not looked for: when a process has dropped its rights LeakSanitizer cannot stop its threads.
"""

import os

PRELOAD = os.environ.get("PROXYMAP_SANITIZER", "")
VARIABLES = {"LD_PRELOAD": PRELOAD, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
SAYS = r"AddressSanitizer|runtime error: "


def environment():
    """For a process that loads our modules; None: this process's own."""
    return {**os.environ, **VARIABLES} if PRELOAD else None


def settings_2_3():
    """The same in dovecot.conf. AddressSanitizer reserves terabytes of address space."""
    if not PRELOAD:
        return ""
    variables = " ".join(f"{name}={value}" for name, value in VARIABLES.items())
    return f"import_environment = $import_environment {variables}\ndefault_vsz_limit = 0\n" \
        "service auth {\n  vsz_limit = 0\n}\n"


def settings_2_4():
    if not PRELOAD:
        return ""
    variables = "".join(f"  {name} = {value}\n" for name, value in VARIABLES.items())
    return f"import_environment {{\n{variables}}}\ndefault_vsz_limit = unlimited\n" \
        "service auth {\n  vsz_limit = unlimited\n}\n"


def in_force(pid):
    """Whether the process has the libraries."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        loaded = maps.read()
    return all(os.path.realpath(path) in loaded for path in PRELOAD.split(":"))
