"""dovecot.conf of Dovecot 2.4, for branch.py.

Settings of proxymap stand in dovecot.conf itself there. Tests write the settings file of 2.3 on both branches, and here
it is put into the words of 2.4.
"""

import functools
import re
import subprocess

from . import sanitizer


@functools.cache
def _version():
    """"2.4.1": the newest that this Dovecot takes for its configuration."""
    text = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True).stdout
    return re.match(r"\d+\.\d+\.\d+", text).group()


def versions():
    """What dovecot.conf begins with."""
    return f"dovecot_config_version = {_version()}\ndovecot_storage_version = {_version()}\n"


def _quoted(value):
    """Where it would be taken for something else: a comment, a file to read, two words."""
    if re.fullmatch(r"[^\s\"'#<$%{}\\][^\"'#${}\\]*", value) or value == "":
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def native(path):
    """The settings file of 2.3 in the words of 2.4: (settings, sections), each the text of lines."""
    settings, sections, section = [], [], None
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        if match := re.fullmatch(r"\s*(\w+)\s+(\S+)\s*{\s*(#.*)?", line):
            section = match[1]
            sections.append(f"proxymap_{section} {match[2]} {{")
        elif re.fullmatch(r"\s*}\s*(#.*)?", line):
            section = None
            sections.append("}")
        elif match := re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line):
            value = match[2]
            if not (len(value) > 1 and value[0] == value[-1] == '"'):
                value = _quoted(value)
            if section:
                sections.append(f"  proxymap_{section}_{match[1]} = {value}")
            else:
                settings.append(f"  proxymap_{match[1]} = {value}")
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ValueError(f"{path}: {line!r}")
    return "".join(line + "\n" for line in settings), "".join(line + "\n" for line in sections)


def _listener(name, addresses, port, tls=False):
    return (f"  inet_listener {name} {{\n    listen = {' '.join(addresses)}\n    port = {port}\n"
            + ("    ssl = yes\n" if tls else "") + "  }\n")


def _login_service(spec, service):
    daemon = "managesieve" if service == "sieve" else service
    addresses = [spec.address, *spec.also]
    text = f"service {daemon}-login {{\n  restart_request_count = {spec.service_count or 'unlimited'}\n"
    text += _listener(service, addresses, spec.ports[service])
    if service in ("imap", "pop3", "submission"):
        tls_port = spec.tls_ports.get(service, 0)
        text += _listener(f"{service}s", addresses, tls_port, tls=tls_port != 0)
    return text + "}\n"


def words(text):
    """(name, value) of each word name=value."""
    return [word.partition("=")[::2] for word in text.replace("%u", "%{user}").split()]


def fields(pairs):
    """The block of fields in a passdb or userdb."""
    lines = "".join(f"    {name} = {value if '%' in value else _quoted(value)}\n" for name, value in pairs)
    return f"  fields {{\n{lines}  }}\n" if lines else ""


def _settings_of(path):
    """A settings file of one of 2.3's passdbs."""
    with open(path, encoding="utf-8") as file:
        return dict(re.findall(r"(?m)^(\w+) = (.*)$", file.read().replace("%u", "%{user}")))


def _sql(old):
    return f"""\
  sql_driver = {old["driver"]}
  sqlite_path = {old["connect"]}
  passdb_sql_query = {old["password_query"]}
""", []


def _ldap(old):
    fields = [attribute.split("=") for attribute in old["pass_attrs"].split(",")]
    return f"""\
  ldap_uris = {old["uris"]}
  ldap_base = {old["base"]}
  ldap_auth_dn = {old["dn"]}
  ldap_auth_dn_password = {old["dnpass"]}
  passdb_ldap_filter = {old["pass_filter"]}
  passdb_ldap_bind = {old["auth_bind"]}
  passdb_default_password_scheme = {old["default_pass_scheme"]}
""", [(field, f"%{{ldap:{attribute}}}") for attribute, field in fields]


def passdb_block(passdb, number, more=()):
    """Blocks of one driver are told apart by their number. more: fields (name, value) besides its own."""
    given = [*more]
    text = f"passdb {passdb.driver}-{number} {{\n  driver = {passdb.driver}\n"
    if passdb.driver == "proxymap":
        text += native(passdb.args)[0]
    elif passdb.driver == "passwd-file":
        text += f"  passwd_file_path = {passdb.args}\n"
    elif passdb.driver == "static":
        for name, value in words(passdb.args):
            if name == "password":
                text += f"  passdb_static_password = {value}\n"
            else:
                given.append((name, value))
    else:
        own, own_fields = (_sql if passdb.driver == "sql" else _ldap)(_settings_of(passdb.args))
        text, given = text + own, given + own_fields
    for name, value in passdb.rules:
        if name in ("default_fields", "override_fields"):
            given += words(value)
        else:
            text += f"  {'mechanisms_filter' if name == 'mechanisms' else name} = {value}\n"
    return text + fields(given) + "}\n"


def _passdbs(blocks):
    # What login processes of 2.4 call real_remote_ip is their own address.
    real_rip = [("real_rip", "%{real_remote_ip}")]
    return "".join(passdb_block(block, number, [] if block.driver == "proxymap" else real_rip)
                   for number, block in enumerate(blocks, 1))


def _settings_files(spec):
    """Those of its passdb blocks."""
    blocks = [*spec.passdbs, *sum(spec.service_passdbs.values(), [])]
    return [block.args for block in blocks if block.driver == "proxymap"]


def render(spec):
    folder = spec.folder
    protocols = " ".join(spec.ports)
    parts = [versions(), f"""\
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {spec.name}
log_path = {folder}/log
log_timestamp = "%Y-%m-%d %H:%M:%S "
login_log_format_elements = user=<%{{user}}> method=%{{mechanism}} rip=%{{remote_ip}} real_rip=%{{passdb:real_rip}} \
%{{secured}} session=<%{{session}}>
mail_log_prefix = "%{{protocol}}(%{{user}})<%{{process:pid}}><%{{session}}>rip=%{{remote_ip}}: "
listen = {spec.address}
protocols = {protocols}
auth_verbose = yes
auth_mechanisms = {spec.mechanisms}
auth_failure_delay = 0
auth_cache_size = {spec.auth_cache}
auth_master_user_separator = *
auth_allow_cleartext = yes
login_trusted_networks = {spec.trusted_networks}
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_driver = maildir
mail_path = ~/Maildir
hostname = {spec.name}.test
postmaster_address = postmaster@{spec.name}.test
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
    if "lmtp" in spec.ports:
        parts.append("lmtp_proxy = yes\n")
    parts.append(sanitizer.settings_2_4())
    if spec.certificate:
        parts.append(f"ssl = yes\nssl_server_cert_file = {spec.certificate}\nssl_server_key_file = {spec.key}\n")
        if spec.ca:
            parts.append(f"ssl_server_ca_file = {spec.ca}\nssl_client_ca_file = {spec.ca}\n"
                         "ssl_server_require_crl = no\n")
    else:
        parts.append("ssl = no\n")
    if spec.login_settings:
        parts.append("login_plugins = login_proxy_ext\n")
    # Sections stand outside of passdb blocks, for login processes read them too.
    for path in dict.fromkeys(filter(None, (spec.login_settings, *_settings_files(spec)))):
        parts.append(native(path)[1])
    if spec.relay:
        parts.append(f"submission_relay_host = {spec.relay[0]}\nsubmission_relay_port = {spec.relay[1]}\n")
    for service in spec.ports:
        if service == "lmtp":
            parts.append("service lmtp {\n" + _listener("lmtp", [spec.address], spec.ports["lmtp"]) + "}\n")
        else:
            parts.append(_login_service(spec, service))
    parts.append(_passdbs(spec.passdbs))
    for service, passdbs in spec.service_passdbs.items():
        parts.append(f"protocol {service} {{\n{_passdbs(passdbs)}}}\n")
    parts.append(spec.userdb or f"""\
userdb static {{
  userdb_static_allow_all_users = yes
  fields {{
    uid = nobody
    gid = nogroup
    home = {folder}/mail/%{{user}}
  }}
}}
""")
    parts.append(renamed(spec.extra))
    return "".join(parts)


# What tests write in the words of 2.3, as 2.4 says it.
_RENAMED = (
    (r"(?m)^import_environment = \$import_environment (\w+)=(.*)$", r"import_environment {\n  \1 = \2\n}"),
    (r"(?m)^(\s*)ssl_cert = <(.*)$", r"\1ssl_server_cert_file = \2"),
    (r"(?m)^(\s*)ssl_key = <(.*)$", r"\1ssl_server_key_file = \2"),
    (r"(?m)^(\s+)address = (.*)$", r"\1listen = \2"),
    (r"(?m)^  group_by = (.*)$", lambda match: "".join(f"  group_by {name} {{\n  }}\n" for name in match[1].split())[:-1]),
    (r"(?m)^(\s*)vsz_limit = 0$", r"\1vsz_limit = unlimited"),
    (r"(?m)^verbose_ssl = yes$", "log_debug = category=ssl"),
    (r"(?m)^auth_username_format = %n$", "auth_username_format = %{user | username}"),
    (r"(?m)^ssl_verify_client_cert = ", "ssl_server_request_client_cert = "),
)


def renamed(text):
    """Settings with the names of 2.3, with those of 2.4."""
    for old, new in _RENAMED:
        text = re.sub(old, new, text)
    return text
