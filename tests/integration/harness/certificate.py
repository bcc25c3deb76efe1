"""A small CA and one server certificate for all loopback servers, made by openssl."""

import dataclasses
import os
import subprocess


@dataclasses.dataclass(frozen=True)
class Certificate:
    ca: str
    certificate: str
    key: str


def make(folder, addresses, names=()):
    """Writes ca.pem, cert.pem and key.pem; the certificate is good for the addresses and names."""
    os.makedirs(folder, exist_ok=True)
    alternatives = ",".join([f"IP:{ip}" for ip in addresses] + [f"DNS:{name}" for name in names])
    path = lambda name: os.path.join(folder, name)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    openssl("req", "-x509", *new_key, "-keyout", path("ca.key"), "-out", path("ca.pem"),
            "-subj", "/CN=test ca", "-days", "30")
    openssl("req", *new_key, "-keyout", path("key.pem"), "-out", path("csr.pem"),
            "-subj", "/CN=test server")
    with open(path("ext"), "w", encoding="ascii") as out:
        out.write(f"subjectAltName={alternatives}\n")
    openssl("x509", "-req", "-in", path("csr.pem"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-out", path("cert.pem"), "-days", "30", "-extfile", path("ext"))
    return Certificate(path("ca.pem"), path("cert.pem"), path("key.pem"))
