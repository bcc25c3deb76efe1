"""A site: one proxy, its backends, its map. login() says how it went and who was reached."""

import dataclasses

from . import clients
from .backend import password_of
from .process import wait_until


@dataclasses.dataclass(frozen=True)
class Reached:
    outcome: str          # ok | auth_failed | temp_failed | refused
    backend: str = ""     # name of the server that let the user in: b1, b2 ... or proxy (a local login!)
    user: str = ""        # name under which it did
    rip: str = ""         # client address, as that server logged it
    real_rip: str = ""    # whose connection it was: the proxy's source address
    tls: bool = False     # between proxy and backend
    text: str = ""        # what the client was told

    def __bool__(self):
        raise TypeError("say what is asked: .outcome or .backend")


class Site:
    def __init__(self, proxy, backends, proxymap=None):
        self.proxy, self.backends, self.proxymap = proxy, backends, proxymap

    def login(self, service, user, password=None, address=None, **how):
        """Logs in at the proxy by a real client (lmtp: delivers a mail).

        password: default is the one that the backends know for this name. A success is looked up in
        the logs of backends and proxy, and must be found there.
        """
        password = password_of(user) if password is None else password
        servers = [*self.backends, self.proxy]
        marks = [server.mark() for server in servers]
        result = clients.login(service, address or self.proxy.address(service), user, password, **how)

        def found():
            return [(server.name, login) for server, mark in zip(servers, marks)
                    for login in server.logins(mark) if login.service == service]
        if result.outcome != "ok":
            assert not found(), f"{result} and yet there was a login: {found()}"
            return Reached(result.outcome, text=result.text)
        wait_until(found, f"a log line of the {service} login of {user!r}")
        assert len(found()) == 1, f"one login, several places: {found()}"
        name, login = found()[0]
        if service == "imap" and not result.text:  # else it was cut before it saw its mailbox
            assert result.marker == name, f"mailbox I-am-{result.marker}, but the log of {name}"
        return Reached("ok", name, login.user, login.rip, login.real_rip, login.tls)
