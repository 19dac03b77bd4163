"""Upload slots as Jabber servers grant them: secrets, tokens, and the URLs that carry them."""

import base64
import contextlib
import dataclasses
import hashlib
import hmac
import json
import secrets
import string
import tempfile
import time
import uuid
from pathlib import Path

from client import link_path
from config import BASE, Site
from records import Records, wait_until
from wire import Wire, request_head

# In the order in which tokens are looked for.
KINDS = ("jwt", "v2", "token", "v1")
PARAMETERS = {"v2": "v2", "token": "token", "v1": "v"}
KEYS = {kind: f"the secret of the tests for {kind}".encode() for kind in KINDS}
DELETE_KEY = b"the secret of the tests for deleting"
JULIET = "juliet@example.org"
OCTETS = "application/octet-stream"
SLOT_SECONDS = 300
SETTLE_SECONDS = 10


# Secrets in files


def write_secret(directory, name, content, mode=0o640):
    """Writes the file of a secret and returns its path."""
    path = directory / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


def secrets_directory(work_dir):
    """A new directory for secrets, closed to httpd's children."""
    return Path(tempfile.mkdtemp(prefix="secrets.", dir=work_dir))


def secret_line(kind, path, delete=None):
    options = f' "delete={delete}"' if delete else ""
    return f'JabberFilesSlotSecret {kind} "{path}"{options}\n'


def secret_lines(work_dir, kinds=KINDS, keys=None, prefix=""):
    """Directives with a secret for each of these kinds; its area is "slots:PREFIXKIND"."""
    directory, keys = secrets_directory(work_dir), {**KEYS, **(keys or {})}
    deleting = write_secret(directory, f"{prefix}deleting.key", DELETE_KEY)
    return "".join(secret_line(kind, write_secret(directory, f"{prefix}{kind}.key", keys[kind]),
                               deleting if kind == "token" else None) for kind in kinds)


def site_with_slots(work_dir, kinds=KINDS, base_lines="", keys=None, **more):
    """A site whose BASE takes slots of these kinds."""
    return Site(base_lines=secret_lines(work_dir, kinds, keys) + base_lines, **more)


# Names in URLs


def bytes_of(text):
    """UTF-8; what no valid text has is written with surrogate escapes."""
    return text.encode("utf-8", "surrogateescape")


def _encoder(kept, form="%%%02X"):
    kept = frozenset((string.ascii_letters + string.digits + kept).encode("ascii"))

    def encode(text):
        return "".join(chr(byte) if byte in kept else form % byte for byte in bytes_of(text))

    return encode


# What servers hand out. ejabberd 23.01 encodes the whole URL; later ones write UTF-8 as it is.
encode_prosody = _encoder(".~_-", "%%%02x")
encode_file_share = _encoder("-_.!~*'():@&=+$,")
encode_ejabberd = _encoder("_.-/:")


def encode_raw(text):
    return "".join(character if ord(character) >= 0x80 and character.isprintable()
                   else encode_ejabberd(character) for character in text)


# What clients make of it. aiohttp decodes what need not be encoded, but never "+" and "/".
encode_libsoup = _encoder("-._~")
encode_aiohttp = _encoder("-._~!$'()*,&=;@:")

ENCODERS = {"jwt": encode_file_share, "v2": encode_prosody, "token": encode_prosody,
            "v1": encode_prosody}


# Tokens


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def sign_v1(path, size_bytes, key=KEYS["v1"]):
    return mac(key, bytes_of(f"{path} {size_bytes}"))


def sign_v2(path, size_bytes, content_type, key=KEYS["v2"]):
    """Metronome's token is the same with another name."""
    return mac(key, bytes_of(f"{path}\0{size_bytes}\0{content_type}"))


def sign_delete(path, key=KEYS["token"], delete_key=DELETE_KEY):
    return mac(key, bytes_of(path) + b"\0" + delete_key)


JWT_HEADER = {"alg": "HS256", "typ": "JWT"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def jwt_part(value):
    """A header or payload: an object, or its text."""
    return base64url(bytes_of(value if isinstance(value, str) else json.dumps(value)))


def sign_jwt(claims, key=KEYS["jwt"], header=JWT_HEADER, digest="sha256"):
    signed = f"{jwt_part(header)}.{jwt_part(claims)}"
    return f"{signed}.{base64url(hmac.digest(key, signed.encode('ascii'), digest))}"


def claims_of(slot, /, **changes):
    """What Prosody signs for a slot. `changes` replace claims; ... leaves one out."""
    now = int(time.time())
    claims = {"sub": slot.jid, "slot": slot.random, "filename": slot.name,
              "filesize": slot.size_bytes, "filetype": slot.content_type, "iat": now,
              "exp": now + SLOT_SECONDS, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


# Slots


@dataclasses.dataclass(frozen=True)
class Slot:
    """A slot without its token. `random` is what stands before the name, with ejabberd two
    segments; `encoded` the name as it stands in the URL."""

    size_bytes: int = 0
    name: str = "photo.jpg"
    content_type: str = "image/jpeg"
    jid: str = JULIET
    random: str = ""
    encoded: str = ""
    base: str = BASE
    query: str = ""
    authorization: str = ""

    @property
    def path(self):
        """What the HMAC is over."""
        return f"{self.random}/{self.name}"

    @property
    def target(self):
        """Path of the GET URL."""
        return f"{self.base}/{self.random}/{self.encoded}"

    @property
    def put_target(self):
        return f"{self.target}?{self.query}" if self.query else self.target

    def fields(self):
        """What a client sends with the upload."""
        fields = {"Content-Type": self.content_type} if self.content_type else {}
        return {**fields, "Authorization": self.authorization} if self.authorization else fields

    def put(self, client, content, **changes):
        """Uploads; `changes` replace header fields, underscores stand for dashes, None for none."""
        changes = {name.replace("_", "-"): value for name, value in changes.items()}
        fields = {name: value for name, value in {**self.fields(), **changes}.items() if value}
        return client.request("PUT", self.put_target, content, fields)

    def head(self, length_bytes, *fields, method="PUT"):
        """The bytes of a request's head, for a Wire."""
        lines = [f"{name}: {value}" for name, value in self.fields().items()]
        target = bytes_of(self.put_target).decode("latin-1")
        return request_head(method, target, f"Content-Length: {length_bytes}", *lines, *fields)

    def but(self, **changes):
        """The same with another value somewhere, the token unchanged."""
        return dataclasses.replace(self, **changes)


def new_slot(size_bytes, name="photo.jpg", encode=encode_prosody, **more):
    """A slot that nobody has signed, with a random part that nobody has had."""
    return Slot(size_bytes, name, random=more.pop("random", None) or str(uuid.uuid4()),
                encoded=encode(name), **more)


def signed(slot, kind, key=None, /, **claims):
    """The slot with a token; `claims` change those of a JWT."""
    key = key or KEYS[kind]
    if kind == "jwt":
        return slot.but(authorization="Bearer " + sign_jwt(claims_of(slot, **claims), key))
    token = sign_v1(slot.path, slot.size_bytes, key) if kind == "v1" \
        else sign_v2(slot.path, slot.size_bytes, slot.content_type or OCTETS, key)
    return slot.but(query=f"{PARAMETERS[kind]}={token}")


def grant(kind, size_bytes, name="photo.jpg", encode=None, **more):
    """A slot as a server of this kind grants it."""
    return signed(new_slot(size_bytes, name, encode or ENCODERS[kind], **more), kind)


def grant_ejabberd(size_bytes, user, name="photo.jpg", encode=encode_ejabberd, key=None, **more):
    """A slot of ejabberd's external_secret; `user` is its first segment."""
    alphabet = string.ascii_letters + string.digits
    random = "".join(secrets.choice(alphabet) for _ in range(40))
    return signed(new_slot(size_bytes, name, encode, random=f"{user}/{random}", **more), "v1", key)


def sha1_of(jid):
    return hashlib.sha1(jid.encode()).hexdigest()


# What is left of it


def delete(client, slot, **signing):
    """Metronome's DELETE."""
    return client.request("DELETE", f"{slot.target}?token={sign_delete(slot.path, **signing)}")


def area_sums(records, name):
    """(used bytes, files) of an area; None if there is no such area."""
    rows = records.query("SELECT used_bytes, file_count FROM area WHERE jid = ?", name)
    return rows[0] if rows else None


def stored_type(records, slot):
    """The type of a slot's file as the ledger has it."""
    return records.query("SELECT media_type FROM file WHERE token = ?", slot.random)[0][0]


def everything(server):
    """All rows of the ledger and all files of the server: what a refusal must leave alone."""
    records = Records(server)
    # What was transferred comes into the ledger a second later.
    tables = [name for name, in records.query("SELECT name FROM sqlite_master"
                                              " WHERE type = 'table' AND name NOT IN"
                                              " ('traffic', 'charge', 'ledger')")]
    rows = {f"{table}: {row}" for table in tables
            for row in records.query(f"SELECT * FROM {table}")}
    # Children begin and end when they like.
    changing = {server.root / "logs", server.root / "run", server.store / "alive"}
    return rows | {str(path) for path in server.root.rglob("*") if path.is_file()
                   and path.parent not in changing and not path.name.endswith(("-wal", "-shm"))}


def wait_for_uploads_to_end(server):
    """Nothing is in flight; slots that were granted and not used may be there."""
    records = Records(server)
    wait_until(lambda: not records.query("SELECT 1 FROM reservation WHERE instance <> ''"),
               SETTLE_SECONDS * server.env.patience, "a promise is left")


@contextlib.contextmanager
def nothing_changes(server):
    """What happens in the block leaves neither row nor file."""
    before = everything(server)
    yield
    wait_for_uploads_to_end(server)
    changes = before ^ everything(server)
    assert not changes, changes


def assert_settled(server):
    """Nothing in flight, no object without a row, all sums right."""
    records = Records(server)
    wait_for_uploads_to_end(server)
    wait_until(lambda: records.stored_objects() == records.filed_objects(), SETTLE_SECONDS,
               "an object without a row is left")
    assert records.wrong_sums() == []


def upload(server, slot, content, *fields):
    """Uploads over a connection of its own, byte for byte as the slot says: UTF-8 stays raw."""
    with Wire(server) as wire:
        wire.send(slot.head(len(content), *fields) + content)
        return wire.read_answer()


def assert_refused_before_its_body(server, slot, status):
    """The announced upload is refused without 100, and the connection ends."""
    with Wire(server) as wire:
        wire.send(slot.head(slot.size_bytes, "Expect: 100-continue"))
        answer = wire.read_answer()
        assert answer.status == status
        assert answer.header("Connection") == "close"
        assert wire.is_closed()


# ejabberd's service_url


def slot_query(jid, name, size, content_type="image/jpeg", **more):
    """What ejabberd asks with; None leaves a parameter out."""
    values = {"jid": jid, "name": name, "size": size, "content_type": content_type, **more}
    return "&".join(f"{key}={encode_ejabberd(str(value))}" for key, value in values.items()
                    if value is not None)


def ask_slot(client, jid, size_bytes, name="photo.jpg", content_type="image/jpeg", base=BASE):
    """Asks for a slot as ejabberd does; the Slot, or the answer if it is refused."""
    query = slot_query(jid, name, size_bytes, content_type)
    answer = client.request("GET", f"{base}/.slot?{query}")
    if answer.status != 200:
        return answer
    put_url, get_url = answer.text.rstrip("\n").split("\n")
    assert put_url.startswith("http") and get_url == put_url
    random, encoded = link_path(put_url).removeprefix(f"{base}/").split("/")
    return Slot(size_bytes, name, content_type, jid, random, encoded, base)


def open_slot_service(base=BASE):
    """The section that lets this machine ask."""
    return f'<Location "{base}/.slot">\n    Require local\n</Location>\n'
