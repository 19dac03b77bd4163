"""A certificate authority for the Jabber servers of the tests: good certificates and bad ones."""

import dataclasses
import itertools
import subprocess
from pathlib import Path

_CA_CONFIG = """\
[ca]
default_ca = tests
[tests]
database = {directory}/{name}.index
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
"""


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate and its key, each a PEM file."""

    certificate: Path
    key: Path

    def joined(self):
        """Both in one file, as ejabberd wants them."""
        path = self.certificate.with_suffix(".both")
        path.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        return path


def _openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Authority:
    """Signs what it is asked to sign. The keys are elliptic: they are made and used in no time."""

    def __init__(self, directory, name="xmpp-ca"):
        self.ca = directory / f"{name}.pem"
        self._directory = directory
        self._name = name
        self._numbers = itertools.count(1)
        self._ca_key = directory / f"{name}.key"
        self._config = directory / f"{name}.cnf"
        self._config.write_text(_CA_CONFIG.format(directory=directory, name=name),
                                encoding="utf-8")
        (directory / f"{name}.index").touch()
        _openssl("req", "-x509", *self._new_key(self._ca_key), "-out", self.ca, "-days", 2,
                 "-subj", f"/CN=jabberfiles {name}")

    @staticmethod
    def _new_key(path):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                "-keyout", path)

    def _new_pair(self):
        stem = self._directory / f"{self._name}-{next(self._numbers)}"
        return Pair(stem.with_suffix(".crt"), stem.with_suffix(".key"))

    def issue(self, *names, start=None, end=None):
        """A certificate for DNS names. `start` and `end` are dates like 20200101000000Z."""
        pair = self._new_pair()
        request, extensions = (pair.key.with_suffix(suffix) for suffix in (".csr", ".ext"))
        _openssl("req", *self._new_key(pair.key), "-out", request, "-subj", f"/CN={names[0]}")
        extensions.write_text(self._subject_names(names) + "\n", encoding="ascii")
        dates = ("-startdate", start, "-enddate", end) if end else ("-days", 2)
        _openssl("ca", "-batch", "-notext", "-config", self._config, "-cert", self.ca,
                 "-keyfile", self._ca_key, "-in", request, "-out", pair.certificate,
                 "-extfile", extensions, *dates)
        return pair

    def issue_expired(self, *names):
        return self.issue(*names, start="20200101000000Z", end="20200201000000Z")

    def self_signed(self, *names):
        """A certificate that nobody but its owner vouches for."""
        pair = self._new_pair()
        _openssl("req", "-x509", *self._new_key(pair.key), "-out", pair.certificate, "-days", 2,
                 "-subj", f"/CN={names[0]}", "-addext", self._subject_names(names))
        return pair

    @staticmethod
    def _subject_names(names):
        return "subjectAltName=" + ",".join(f"DNS:{name}" for name in names)
