"""Debian's slapd with a small directory of people, on a loopback port."""

import os
import subprocess

from . import ports
from .process import Process, Server

SUFFIX = "dc=example,dc=org"
PASSWORD = "directory-secret"


class Slapd(Server):
    """people: {uid: password}; mail: {uid: {attribute: value}}. Entries are uid=NAME,dc=example,dc=org."""

    def __init__(self, folder, people, mail=None, port=None):
        self.folder, self.people, self.mail = folder, people, mail or {}
        self.port = port or ports.free_port()

    @property
    def uri(self):
        return f"ldap://127.0.0.1:{self.port}"

    def start(self):
        data = os.path.join(self.folder, "data")
        os.makedirs(data, exist_ok=True)
        conf = os.path.join(self.folder, "slapd.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write(f"""\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {self.folder}/slapd.pid
argsfile {self.folder}/slapd.args
database mdb
maxsize 10485760
suffix "{SUFFIX}"
rootdn "cn=admin,{SUFFIX}"
rootpw {PASSWORD}
directory {data}
index objectClass,uid eq
""")
        ldif = os.path.join(self.folder, "people.ldif")
        with open(ldif, "w", encoding="utf-8") as out:
            out.write(f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\n"
                      "dc: example\no: example\n\n")
            for uid, password in self.people.items():
                out.write(f"dn: uid={uid},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\n"
                          f"cn: {uid}\nsn: {uid}\nuserPassword: {password}\n")
                attributes = self.mail.get(uid, {})
                out.write("objectClass: inetLocalMailRecipient\n" if attributes else "")
                out.write("".join(f"{name}: {value}\n" for name, value in attributes.items()) + "\n")
        subprocess.run(["slapadd", "-f", conf, "-l", ldif], check=True, capture_output=True)
        self.process = Process(["slapd", "-d", "0", "-f", conf, "-h", self.uri],
                               os.path.join(self.folder, "out"))
        self.process.wait_accepting([("127.0.0.1", self.port)])
        return self
