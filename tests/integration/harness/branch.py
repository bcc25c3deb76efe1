"""Writes dovecot.conf. The only module that knows how the branches of Dovecot differ.

Everything else describes a server by a Spec; render() turns it into the text for the branch that
is installed.
"""

import dataclasses
import functools
import re
import subprocess

from . import branch_2_4, sanitizer

# Service names as auth knows them, and as the listeners of dovecot.conf are called.
SERVICES = ("imap", "pop3", "lmtp", "submission", "sieve")
MAIL_USER, MAIL_GROUP = "nobody", "nogroup"


@dataclasses.dataclass(frozen=True)
class Passdb:
    """A passdb block: driver, args, and its rules (result_success, skip, master, override_fields ...)."""
    driver: str
    args: str = ""
    rules: tuple = ()  # of (name, value)

    @staticmethod
    def of(driver, args="", **rules):
        return Passdb(driver, args, tuple(rules.items()))


@dataclasses.dataclass
class Spec:
    """One Dovecot."""
    name: str
    folder: str
    address: str = "127.0.0.1"
    ports: dict = dataclasses.field(default_factory=dict)      # service → port
    tls_ports: dict = dataclasses.field(default_factory=dict)  # imap, pop3 → port with TLS at once
    passdbs: list = dataclasses.field(default_factory=list)
    service_passdbs: dict = dataclasses.field(default_factory=dict)  # service → its own passdbs
    userdb: str = ""             # text of userdb blocks; default: everybody has a home here
    mechanisms: str = "plain login"
    service_count: int = 1       # of the login services
    auth_cache: str = "0"
    trusted_networks: str = ""
    certificate: str = ""        # PEM files; none: no TLS
    key: str = ""
    ca: str = ""                 # CA that backends are verified with
    relay: tuple = ()            # submission's relay, (host, port)
    auth_memory: str = "2G"      # vsz_limit of auth, which must hold the LMDB map
    also: tuple = ()             # more addresses to listen on, with the same ports
    login_settings: str = ""     # the login plugin's settings file; none: it is not loaded
    extra: str = ""              # appended as it is


@functools.cache
def release():
    """(2, 4, 5)."""
    text = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.match(r"(\d+)\.(\d+)\.(\d+)", text).groups()))


def installed():
    """"2.3" or "2.4"."""
    return "{}.{}".format(*release())


def session_port(port):
    """As `doveadm proxymap sessions` shows it: anvil of 2.4 knows no port."""
    return str(port) if installed() == "2.3" else ""


def render(spec):
    return (_render_2_3 if installed() == "2.3" else branch_2_4.render)(spec)


def _listener(name, address, port, tls=False):
    return (f"  inet_listener {name} {{\n    address = {address}\n    port = {port}\n"
            + ("    ssl = yes\n" if tls else "") + "  }\n")


def _login_service_2_3(spec, service):
    daemon = "managesieve" if service == "sieve" else service
    lines = [f"service {daemon}-login {{\n  service_count = {spec.service_count}\n"]
    address = " ".join([spec.address, *spec.also])
    lines.append(_listener(service, address, spec.ports[service]))
    if service in ("imap", "pop3", "submission"):
        tls_port = spec.tls_ports.get(service, 0)
        lines.append(_listener(f"{service}s", address, tls_port, tls=tls_port != 0))
    lines.append("}\n")
    return "".join(lines)


def _passdb_2_3(passdb):
    rules = "".join(f"  {name} = {value}\n" for name, value in passdb.rules)
    args = f"  args = {passdb.args}\n" if passdb.args else ""
    return f"passdb {{\n  driver = {passdb.driver}\n{args}{rules}}}\n"


def _render_2_3(spec):
    folder = spec.folder
    parts = [f"""\
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {spec.name}
log_path = {folder}/log
log_timestamp = "%Y-%m-%d %H:%M:%S "
login_log_format_elements = user=<%u> method=%m rip=%r real_rip=%{{real_rip}} %c session=<%{{session}}>
mail_log_prefix = "%s(%u)<%{{pid}}><%{{session}}>rip=%r: "
listen = {spec.address}
protocols = {" ".join(spec.ports) or "none"}
auth_verbose = yes
auth_mechanisms = {spec.mechanisms}
auth_failure_delay = 0
auth_cache_size = {spec.auth_cache}
auth_master_user_separator = *
disable_plaintext_auth = no
login_trusted_networks = {spec.trusted_networks}
mail_uid = {MAIL_USER}
mail_gid = {MAIL_GROUP}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
hostname = {spec.name}.test
postmaster_address = postmaster@{spec.name}.test
lmtp_proxy = yes
recipient_delimiter =
namespace inbox {{
  inbox = yes
  mailbox I-am-{spec.name} {{
    auto = create
  }}
}}
service auth {{
  vsz_limit = {spec.auth_memory}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""]
    if any(passdb.driver == "proxymap" for passdb in [*spec.passdbs, *sum(spec.service_passdbs.values(), [])]):
        parts.append(sanitizer.settings_2_3())
    if spec.certificate:
        parts.append(f"ssl = yes\nssl_cert = <{spec.certificate}\nssl_key = <{spec.key}\n")
        if spec.ca:
            parts.append(f"ssl_ca = <{spec.ca}\nssl_client_ca_file = {spec.ca}\nssl_require_crl = no\n")
    else:
        parts.append("ssl = no\n")
    if spec.login_settings:
        parts.append("login_plugins = login_proxy_ext\n"
                     f"import_environment = $import_environment PROXYMAP_CONFIG={spec.login_settings}\n")
    if spec.relay:
        parts.append(f"submission_relay_host = {spec.relay[0]}\nsubmission_relay_port = {spec.relay[1]}\n")
    for service in spec.ports:
        if service == "lmtp":
            parts.append("service lmtp {\n" + _listener("lmtp", spec.address, spec.ports["lmtp"]) + "}\n")
        else:
            parts.append(_login_service_2_3(spec, service))
    parts += [_passdb_2_3(passdb) for passdb in spec.passdbs]
    for service, passdbs in spec.service_passdbs.items():
        parts.append(f"protocol {service} {{\n" + "".join(map(_passdb_2_3, passdbs)) + "}\n")
    parts.append(spec.userdb or f"""\
userdb {{
  driver = static
  args = uid={MAIL_USER} gid={MAIL_GROUP} home={folder}/mail/%u allow_all_users=yes
}}
""")
    parts.append(spec.extra)
    return "".join(parts)
