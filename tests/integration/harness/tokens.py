"""Tokens (JWT, RFC 7519) that Dovecot 2.4 validates itself, by a key in a file."""

import base64
import hashlib
import hmac
import json
import os
import time

from . import branch

KEY = b"the key of the tests, 32 bytes long"


def _hand_on():
    """Since 2.4.3 passdbs get no token unless told so here; before, Dovecot knows no such word."""
    return "  fields {\n    token = %{token}\n  }\n" if branch.release() >= (2, 4, 3) else ""


def settings(folder):
    """Lines of dovecot.conf for 2.4; folder: where the key lies."""
    keys = os.path.join(folder, "token-keys", "default", "HS256")
    os.makedirs(keys, exist_ok=True)
    with open(os.path.join(keys, "default"), "wb") as out:
        out.write(base64.b64encode(KEY))
    return f"""\
oauth2 {{
  introspection_mode = local
  username_attribute = sub
{_hand_on()}}}
oauth2_local_validation {{
  dict fs {{
    fs posix {{
      prefix = {folder}/token-keys/
    }}
  }}
}}
"""


def token(user, key=KEY):
    def part(what):
        return base64.urlsafe_b64encode(what).rstrip(b"=")
    now = int(time.time())
    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": user, "iat": now - 60, "exp": now + 600}).encode())
    signed = head + b"." + body
    return (signed + b"." + part(hmac.new(key, signed, hashlib.sha256).digest())).decode()
