"""The little of ManageSieve (RFC 5804) that a login needs."""

import base64
import re


class SieveClient:
    def __init__(self, connection):
        self.stream = connection.makefile("rwb")
        self.capabilities = self._reply()[1]

    def _reply(self):
        """(whether OK, all text) up to the line that ends a reply."""
        text = ""
        while True:
            line = self.stream.readline()
            if not line:
                raise EOFError(f"connection closed after {text!r}")
            line = line.decode("utf-8", "replace")
            text += line
            if literal := re.search(r"\{(\d+)\+?\}\r?\n$", line):
                text += self.stream.read(int(literal[1])).decode("utf-8", "replace")
            elif re.match(r"(OK|NO|BYE)\b", line):
                return line.startswith("OK"), text.strip()

    def command(self, line):
        self.stream.write(line.encode() + b"\r\n")
        self.stream.flush()
        return self._reply()

    def authenticate(self, mechanism, initial):
        return self.command(f'AUTHENTICATE "{mechanism}" "{base64.b64encode(initial).decode()}"')
