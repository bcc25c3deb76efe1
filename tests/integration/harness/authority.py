"""CAs that issue what a test needs: certificates that are good, expired or revoked, for servers and
clients; and the pin of a key."""

import base64
import hashlib
import os
import subprocess

from .certificate import Certificate

_CONF = """\
[ca]
default_ca = this
[this]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
rand_serial = yes
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
[any]
commonName = supplied
"""

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def _openssl(*args, data=None):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, input=data).stdout


class Authority:
    def __init__(self, folder, name):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.ca = self._path("ca.pem")
        self.conf = self._path("conf")
        with open(self.conf, "w", encoding="ascii") as out:
            out.write(_CONF.format(folder=folder))
        open(self._path("index"), "w", encoding="ascii").close()
        _openssl("req", "-x509", *_NEW_KEY, "-keyout", self._path("ca.key"), "-out", self.ca,
                 "-subj", f"/CN={name}", "-days", "30")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, addresses=(), names=(), expired=False):
        """A certificate called `name`, good for these addresses and host names."""
        cert, key, request, ext = (self._path(f"{name}.{kind}") for kind in ("pem", "key", "csr", "ext"))
        alternatives = [f"IP:{ip}" for ip in addresses] + [f"DNS:{dns}" for dns in names]
        with open(ext, "w", encoding="ascii") as out:
            out.write(f"subjectAltName={','.join(alternatives)}\n" if alternatives else "")
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if expired else []
        _openssl("ca", "-batch", "-notext", "-config", self.conf, "-in", request, "-out", cert,
                 "-extfile", ext, *dates)
        return Certificate(self.ca, cert, key)

    def revoke(self, certificate):
        _openssl("ca", "-batch", "-config", self.conf, "-revoke", certificate.certificate)

    def crl(self):
        """Writes the list of all that are revoked by now; its path."""
        path = self._path("crl.pem")
        _openssl("ca", "-batch", "-config", self.conf, "-gencrl", "-out", path)
        return path


def pin(certificate):
    """SHA-256 of its SubjectPublicKeyInfo, in base64."""
    public = _openssl("x509", "-in", certificate.certificate, "-pubkey", "-noout")
    return base64.b64encode(hashlib.sha256(_openssl("pkey", "-pubin", "-outform", "DER", data=public)).digest()).decode()
