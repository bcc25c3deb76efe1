"""A real Dovecot backend: everybody exists, with the password `pw-NAME`, and a master user.

So a login says by itself with which name and password the proxy came. The marker mailbox I-am-NAME
and the log tell the backends apart.
"""

import os

from . import branch, ports
from .dovecot import Dovecot

MASTER_USER, MASTER_PASSWORD = "proxymaster", "master-secret"


def password_of(user):
    return f"pw-{user}"


class Backend(Dovecot):
    """trusted: networks of proxies whose word about the client's address is taken."""

    def __init__(self, name, folder, address, certificate, relay=(), trusted="127.0.0.0/8",
                 services=branch.SERVICES, **more):
        masters = os.path.join(folder, "masters")
        os.makedirs(folder, exist_ok=True)
        with open(masters, "w", encoding="ascii") as out:
            out.write(f"{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        tls_ports = {service: ports.free_port(address) for service in ("imap", "pop3")}
        super().__init__(branch.Spec(
            name=name, folder=folder, address=address, tls_ports=tls_ports,
            passdbs=[branch.Passdb.of("passwd-file", masters, master="yes"),
                     branch.Passdb.of("static", "password=pw-%u")],
            mechanisms="plain login xoauth2" if more.pop("xoauth2", False) else "plain login",
            service_count=0, trusted_networks=trusted,
            certificate=certificate.certificate, key=certificate.key, relay=relay, **more), services)

    def fields(self):
        """host and ports as a record names them."""
        numbers = [f"port.{service}={port}" for service, port in self.spec.ports.items()]
        return " ".join([f"host={self.spec.address}", *numbers])

    def record(self):
        """This server's line of a routes file."""
        return f"backend {self.name} {self.fields()}\n"
