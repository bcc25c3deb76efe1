"""dovecot.conf in the words of the Dovecot that is installed.

The benchmarks write it as Dovecot 2.3 has it. For 2.4 it is put into other words here and nowhere
else, with what the integration tests have for that. It must add nothing: stock passdbs do what they
do on 2.3.
"""

import itertools
import os
import re
import sys

tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(tests, "integration"))
from harness import branch, branch_2_4  # pylint: disable=wrong-import-position

WORDS = (
    (r"(?m)^disable_plaintext_auth = no$", "auth_allow_cleartext = yes"),
    (r"(?m)^mail_location = (\w+):(.*)$", r"mail_driver = \1\nmail_path = \2"),
    (r"%n\b", "%{user|username}"),
    (r"%d\b", "%{user|domain}"),
    (r"(?m)^default_idle_kill = ", "default_idle_kill_interval = "),
    (r"(?m)^(\s+)service_count = 0$", r"\1restart_request_count = unlimited"),
    (r"(?m)^(\s+)service_count = ", r"\1restart_request_count = "),
    (r"(?m)^ssl_ca = <", "ssl_client_ca_file = "),
    (r"(?m)^ssl_require_crl = no\n", ""),  # of backends none is asked for
)

# In the log line of a login that is not proxied.
LOGGED_IN = (" Login: user=", " Logged in: user=")


def dovecot_conf(text):
    """The whole file."""
    if branch.installed() == "2.3":
        return text
    numbers = itertools.count(1)
    text = re.sub(r"(?m)^passdb {\n  driver = (\S+)\n  args = (.*)\n}\n",
                  lambda block: branch_2_4.passdb_block(branch.Passdb(*block.groups()),
                                                        next(numbers)), text)
    text = re.sub(r"(?m)^userdb {\n  driver = static\n  args = (.*)\n}\n",
                  lambda block: "userdb static {\n"
                                + branch_2_4.fields(branch_2_4.words(block[1])) + "}\n", text)
    for old, new in WORDS:
        text = re.sub(old, new, text)
    return branch_2_4.versions() + branch_2_4.renamed(text)


def no_internal_failure_delay():
    """2.4 answers a temporary failure some two seconds later than it knows of it; 2.3 at once."""
    return "" if branch.installed() == "2.3" else "auth_internal_failure_delay = 0\n"


def login_plugin(path):
    """Loads the login plugin with the settings of this file, which has the words of 2.3."""
    text = "login_plugins = login_proxy_ext\n"
    if branch.installed() == "2.3":
        return (f"{text}import_environment = TZ CORE_OUTOFMEM CORE_ERROR "
                f"PROXYMAP_CONFIG={path}\n")
    return text + branch_2_4.native(path)[1]
