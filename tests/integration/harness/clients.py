"""Clients as people use them, each answering in the same words.

    result = clients.login("imap", address, "john", "pw-john")
    result.outcome   ok | auth_failed | temp_failed | refused
    result.text      what the server said
    result.marker    imap: the name in the mailbox `I-am-NAME` that each test server has; "" where the
                     session ended before it could be read

`refused` is everything that is neither: no connection, disabled, protocol errors. Which server was
reached is, for all services, what Site.login() reads from the logs.
Passwords of tests are PLAIN unless a mechanism is named; that of GSSAPI (imap) is what kdc.initiator() makes.
`source` is the client's own address.
"""

import base64
import dataclasses
import hashlib
import hmac
import imaplib
import poplib
import re
import smtplib
import socket
import ssl
import subprocess

from . import sieveclient

TIMEOUT = 30


@dataclasses.dataclass(frozen=True)
class Result:
    outcome: str
    text: str = ""
    marker: str = ""


def classify(text):
    """Which failure a server's words mean."""
    if re.search(r"\[UNAVAILABLE\]|\[SYS/TEMP\]|\[IN-USE\]|TRYLATER|^4\d\d|454 |451 |temporar", text, re.I):
        return "temp_failed"
    if re.search(r"\[AUTHENTICATIONFAILED\]|\[AUTH\]|^535|^550 5\.1\.1|Authentication failed", text, re.I):
        return "auth_failed"
    return "refused"


def _failure(error):
    text = error.args[0] if error.args else error
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return Result(classify(str(text)), str(text))


def _initial(mechanism, user, password, authzid):
    """The initial response of a mechanism that has one."""
    if mechanism == "PLAIN":
        return f"{authzid}\0{user}\0{password}".encode("utf-8", "surrogateescape")
    if mechanism == "XOAUTH2":
        return f"user={user}\1auth=Bearer {password}\1\1".encode()
    raise ValueError(mechanism)


def _cram_md5(challenge, user, password):
    return f"{user} {hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()}"


def _insecure_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _connect(host, port, source, tls):
    connection = socket.create_connection((host, port), TIMEOUT, (source, 0) if source else None)
    return _insecure_tls().wrap_socket(connection) if tls else connection


class _Imap(imaplib.IMAP4):
    def __init__(self, address, source, tls):
        self._source, self._tls = source, tls
        super().__init__(*address, timeout=TIMEOUT)

    def _create_socket(self, timeout):
        return _connect(self.host, self.port, self._source, self._tls)


def _session(client):
    """Of somebody who is logged in. That may end any time: a reload of the proxy ends it."""
    try:
        _, names = client.list('""', "I-am-*")
        marker = names[0].decode().rpartition("I-am-")[2].strip('"') if names and names[0] else ""
        client.logout()
        return Result("ok", "", marker)
    except (OSError, imaplib.IMAP4.abort) as error:
        return Result("ok", f"the session ended early: {error}")


def imap(address, user, password, mechanism="LOGIN", authzid="", source="", tls=False):
    try:
        client = _Imap(address, source, tls)
    except (OSError, imaplib.IMAP4.error) as error:
        return _failure(error)
    try:
        if mechanism == "LOGIN":
            client.login(user, password)
        elif mechanism == "CRAM-MD5":
            client.login_cram_md5(user, password)
        elif mechanism == "GSSAPI":
            client.authenticate(mechanism, password)
        else:
            client.authenticate(mechanism, lambda _: _initial(mechanism, user, password, authzid))
        return _session(client)
    except (OSError, imaplib.IMAP4.error) as error:
        return _failure(error)
    finally:
        try:
            client.shutdown()
        except OSError:
            pass


class _Pop3(poplib.POP3):
    def __init__(self, address, source, tls):
        self._source, self._tls = source, tls
        super().__init__(*address, timeout=TIMEOUT)

    def _create_socket(self, timeout):
        return _connect(self.host, self.port, self._source, self._tls)


def pop3(address, user, password, mechanism="USER", authzid="", source="", tls=False):
    try:
        client = _Pop3(address, source, tls)
    except (OSError, poplib.error_proto) as error:
        return _failure(error)
    try:
        if mechanism == "USER":
            client.user(user)
            client.pass_(password)
        else:
            initial = base64.b64encode(_initial(mechanism, user, password, authzid)).decode()
            client._shortcmd(f"AUTH {mechanism} {initial}")
        client.stat()
        client.quit()
        return Result("ok")
    except (OSError, poplib.error_proto) as error:
        return _failure(error)
    finally:
        client.close()


def submission(address, user, password, mechanism="PLAIN", authzid="", source="", tls=False):
    client = None
    try:
        kind = smtplib.SMTP_SSL if tls else smtplib.SMTP
        more = {"context": _insecure_tls()} if tls else {}
        client = kind(*address, local_hostname="client.test", timeout=TIMEOUT,
                      source_address=(source, 0) if source else None, **more)
        client.ehlo()
        if mechanism == "CRAM-MD5":
            client.user, client.password = user, password
            code, text = client.auth(mechanism, client.auth_cram_md5)
        else:
            initial = base64.b64encode(_initial(mechanism, user, password, authzid)).decode()
            code, text = client.docmd("AUTH", f"{mechanism} {initial}")
        text = f"{code} {text.decode('utf-8', 'replace')}"
        return Result("ok" if code == 235 else classify(text), text)
    except smtplib.SMTPResponseException as error:
        text = f"{error.smtp_code} {error.smtp_error!r}"
        return Result(classify(text), text)
    except (OSError, smtplib.SMTPException) as error:
        return Result("refused", str(error))
    finally:
        if client is not None:
            client.close()


def lmtp(address, user, _password=None, source=""):
    """Delivers one mail to the user."""
    client = None
    try:
        client = smtplib.LMTP(*address, local_hostname="client.test",
                              source_address=(source, 0) if source else None)
        client.ehlo()
        client.sendmail("sender@client.test", [user], "Subject: test\r\n\r\nhello\r\n")
        return Result("ok")
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        text = f"{code} {text.decode('utf-8', 'replace')}"
        return Result(classify(text), text)
    except smtplib.SMTPResponseException as error:
        text = f"{error.smtp_code} {error.smtp_error!r}"
        return Result(classify(text), text)
    except (OSError, smtplib.SMTPException) as error:
        return Result("refused", str(error))
    finally:
        if client is not None:
            client.close()


def sieve(address, user, password, mechanism="PLAIN", authzid="", source=""):
    try:
        connection = _connect(*address, source, False)
    except OSError as error:
        return _failure(error)
    with connection:
        try:
            client = sieveclient.SieveClient(connection)
            ok, text = client.authenticate(mechanism, _initial(mechanism, user, password, authzid))
            if not ok:
                return Result(classify(text), text)
            client.command("LISTSCRIPTS")
            return Result("ok")
        except (OSError, EOFError) as error:
            return _failure(error)


_CLIENTS = {"imap": imap, "pop3": pop3, "submission": submission, "lmtp": lmtp, "sieve": sieve}


def login(service, address, user, password=None, **how):
    """Logs in (lmtp: delivers a mail) and says how it went."""
    return _CLIENTS[service](address, user, password, **how)


def curl(url, user, password, *args):
    """(exit code, output) of curl with these credentials; --silent --insecure unless told otherwise."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--max-time", str(TIMEOUT),
                           "--user", f"{user}:{password}", *args, url],
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def s_client(address, user, password, *args):
    """Logs in over `openssl s_client` with the text of an IMAP session; returns all it printed."""
    session = f"a login {user} {password}\r\nb list \"\" I-am-*\r\nc logout\r\n"
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % address, "-ign_eof", "-crlf", *args],
                          input=session.replace("\r\n", "\n"), capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    return done.stdout + done.stderr
