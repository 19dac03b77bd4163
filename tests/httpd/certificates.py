"""A certificate authority of our own and a certificate for the loopback address."""

import dataclasses
import subprocess
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def make(directory):
    """Makes the CA and one server certificate for 127.0.0.1 in `directory`."""
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    made = Certificates(ca, directory / "server.pem", directory / "server.key")
    request, extensions = directory / "server.csr", directory / "server.ext"
    new_key = ("-newkey", "rsa:2048", "-noenc")
    _openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", 2,
             "-subj", "/CN=jabberfiles test CA")
    _openssl("req", *new_key, "-keyout", made.key, "-out", request, "-subj", "/CN=127.0.0.1")
    extensions.write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
    _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-set_serial", 1,
             "-days", 2, "-extfile", extensions, "-out", made.certificate)
    return made
