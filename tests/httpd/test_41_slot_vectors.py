"""Tokens that real servers made: the URLs of Prosody, ejabberd and Metronome, byte for byte."""

import base64
import json
import time

import pytest

from admin import ledger_editor
from config import Site
from slots import (OCTETS, Slot, area_sums, encode_raw, new_slot, nothing_changes, secret_line,
                   secrets_directory, sha1_of, sign_delete, sign_jwt, sign_v1, sign_v2, signed,
                   stored_type, upload, write_secret)

RANDOM = "4fe2d90d-12c5-4b7c-8d1a-5a2f6e0a9b11"
SECRET = b"secret string"
ROMEO = "romeo@montague.tld"
ROMEO_SHA1 = "43feddb25776a343c69835c7e79dc2c7f59598a6"
EJABBERD_RANDOM = "5K3nQmW8vYpLr2TzXcB7JdHs9FgA4eUo1NiZtVq6"


@pytest.fixture(scope="module")
def site(work_dir):
    """Each kind with the secret of the vectors; "v1" with those of ejabberd and prosody-filer."""
    directory = secrets_directory(work_dir)
    shared = write_secret(directory, "shared.key", SECRET)
    filer = write_secret(directory, "filer.key", b"mysecret\n")
    lines = [secret_line("jwt", shared), secret_line("v1", shared), secret_line("v2", shared),
             secret_line("token", shared, write_secret(directory, "delete.key", b"delete secret")),
             secret_line("v1", write_secret(directory, "ejabberd.key", b"it-is-secret\n")),
             *(secret_line(kind, filer) for kind in ("v1", "v2", "token"))]
    return Site(base_lines="".join(lines), domains=("example.org", "montague.tld"))


def vector(url, size_bytes, name, content_type=None):
    """A slot whose URL is as the server wrote it; the content's length is the one signed."""
    path, _, query = url.partition("?")
    random, _, encoded = path.rpartition("/")
    return Slot(size_bytes, name, content_type, random=random, encoded=encoded, query=query)


# What Prosody's mod_http_upload_external signs for random parts, sizes and types; numbers as in the
# description of the protocol.
PROSODY = {
    "1": vector(f"{RANDOM}/bar.jpg?v="
                "0c2f71011835a95aa24c2efc689bc12d8da68ad8d444cbf02e5d9bc778e7594d",
                1048576, "bar.jpg"),
    "2": vector(f"{RANDOM}/my%20file%2b100%25.txt?v="
                "535c4efaa6d1da7962edbf552ec3b64420b7e21aac0b36e1c8ae7bb0057328c0",
                5, "my file+100%.txt"),
    "3": vector(f"{RANDOM}/tr%c3%a8s%20cool.jpg?v="
                "75d06470ff191d705275dcba5c5ddbdd00f8be2d84466011a808fbd6282e4b08",
                23456, "très cool.jpg"),
    "4": vector(f"{RANDOM}/a%3fb%23c%26d%3de.txt?v="
                "cdb55cd7ce0c9117594b4dac5a8ce6de59618d9998cff79e2723837df13d661b",
                0, "a?b#c&d=e.txt"),
    "5": vector(f"{RANDOM}/back%5cslash~tilde%27quote%22.txt?v="
                "9ee928891628759cbb3fcec5e85d7594a0d15c7305266d2369b2b37eb8486e7a",
                7, "back\\slash~tilde'quote\".txt"),
    "7": vector(f"{RANDOM}/bar.jpg?v2="
                "42d07a502e85fb8c959837f4779e4e5da47ae26e74e332f13f78f8d3e5cfb08b",
                1048576, "bar.jpg", "image/jpeg"),
    "8": vector(f"{RANDOM}/bar.jpg?v2="
                "8fbfb45e3a1caf9cca1a2ec1f1b758e786243dc53f8eac02942de58902737e01",
                1048576, "bar.jpg"),
    "9": vector(f"{RANDOM}/my%20file%2b100%25.txt?v2="
                "aca2b827758e04399e1f61513aa9968e4de98d9670e5b102d0260cd479050e68",
                5, "my file+100%.txt", "text/plain; charset=utf-8"),
    "10": vector(f"{RANDOM}/tr%c3%a8s%20cool.jpg?v2="
                 "10f7ab47362a8cdef5d61323b5afcc0dec4dc66738abf6bfb174b6ad986147f2",
                 23456, "très cool.jpg", "image/jpeg"),
    "12 v1": vector("foo/bar.jpg?v="
                    "e6df55a04516617d6a86ad6ca23879819591085a1a8c0041f4da06824f5d2db7",
                    1048576, "bar.jpg", "image/jpeg"),
    "12 v2": vector("foo/bar.jpg?v2="
                    "a19d27add075aa60035e27c05e794f13079ba48c508852b3d7160a6bec0f85ab",
                    1048576, "bar.jpg", "image/jpeg"),
}
FILER = {
    parameter: vector(f"thomas/abc/catmetal.jpg?{parameter}={token}", 23026, "catmetal.jpg",
                      "image/jpeg")
    for parameter, token in (
        ("v", "7b8879e2d1c733b423a70cde30cecc3a3c64a03f790d1b5bcbb2a6aca52b477e"),
        ("v2", "7318cd44d4c40731e3b2ff869f553ab2326eae631868e7b8054db20d4aee1c06"),
        ("token", "7318cd44d4c40731e3b2ff869f553ab2326eae631868e7b8054db20d4aee1c06"))
}
EJABBERD = {
    name: vector(f"{ROMEO_SHA1}/{EJABBERD_RANDOM}/{encoded}?v={token}", size_bytes, name)
    for encoded, size_bytes, name, token in (
        ("bar.jpg", 1048576, "bar.jpg",
         "1c9f4a56ba2a9accf5b57cd8c301daf8d266a299348f818319f0ef5ea4ad05bd"),
        ("my_file_100_.txt", 5, "my_file_100_.txt",
         "e13a99558142be50b8441417f769ee3e80507fbd8c18234597e367e3e6d94e06"),
        ("tr%C3%A8s_cool.jpg", 23456, "très_cool.jpg",
         "c040e5217a93e55a04111ed7731438190abe74bfb6632bb3f0c065342128c284"),
        ("%E6%97%A5%E6%9C%AC%E8%AA%9E_%E5%86%99%E7%9C%9F.png", 1, "日本語_写真.png",
         "79b77c7943cbc2c709048f815f8386067cb44c1b286df8b83c324c1561bce41a"),
        (".._.._etc_passwd", 1, ".._.._etc_passwd",
         "bfb2f36a1995ca100daa5fca4ef9c8d2c07cfb0e2fb44f37a32920f34b159fcb"))
}
METRONOME = vector("AbC123/bar.jpg?token="
                   "d86efea4194a94cc8877b86d83120841c6e072cdc232ee65035591406e725269",
                   1048576, "bar.jpg", "image/jpeg")
METRONOME_DELETE = "92924230dd106adde2f9e325b29312370f59df10c21605f491ca359ba1a2c1b6"
RIGHT = {**{f"prosody {name}": slot for name, slot in PROSODY.items()},
         **{f"filer {name}": slot for name, slot in FILER.items()},
         **{f"ejabberd {name}": slot for name, slot in EJABBERD.items()},
         "metronome": METRONOME}

TRAVERSALS = {
    "prosody 6": vector(f"{RANDOM}/..?v="
                        "d52624a78fdf1dca44b148dafd4b9713b1a3e5194bb4d0074d545d86b0c5fd5e",
                        1, ".."),
    "ejabberd": vector(f"{ROMEO_SHA1}/{EJABBERD_RANDOM}/..?v="
                       "d034912ac4cb4075eee12a7fa78ac06bc5c2c135fb06ae0afede2cc5057764be", 1, ".."),
}

# Of Prosody 0.12.3, made at the beginning of 2025.
JWT_PATH = "RVbKAgWPcrUYAodj/picture.png"
JWT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
JWT_PAYLOAD = (
    "eyJpYXQiOjE3MzU2ODk2MDAsInN1YiI6InJvbWVvQG1vbnRhZ3VlLnRsZCIsInNsb3QiOiJSVmJLQWdXUGNyVVlBb2Rq"
    "IiwiZXhwIjoxNzM1Njg5OTAwLCJmaWxlc2l6ZSI6NzE2OCwiZXhwaXJlcyI6MTczNjI5NDQwMCwiZmlsZW5hbWUiOiJw"
    "aWN0dXJlLnBuZyIsImZpbGV0eXBlIjoiaW1hZ2UvcG5nIn0")
JWT_SIGNATURE = "bihrmPNRpcFwiqh5mRnyMx9xoKqnsJU9tIXvpUHMKqE"


@pytest.fixture(autouse=True)
def unused(server):
    """Several vectors have one path, and a path is one slot: each test starts with none used."""
    yield
    edit = ledger_editor(server)
    for table in ("file", "used_slot", "area"):
        edit(f"DELETE FROM {table}")


def content_for(slot):
    return (b"0123456789abcdef" * (slot.size_bytes // 16 + 1))[:slot.size_bytes]


def signed_again(slot):
    """The tokens that our own signers make for a vector, with each of the secrets."""
    for key in (SECRET, b"mysecret", b"it-is-secret"):
        yield f"v={sign_v1(slot.path, slot.size_bytes, key)}"
        token = sign_v2(slot.path, slot.size_bytes, slot.content_type or OCTETS, key)
        yield f"v2={token}"
        yield f"token={token}"


@pytest.mark.parametrize("name", RIGHT)
def test_signed_url_is_right(nobody, records, name):
    slot, content = RIGHT[name], content_for(RIGHT[name])
    assert slot.query in signed_again(slot)
    answer = slot.put(nobody, content)
    assert answer.status == 201, answer.text
    got = nobody.request("GET", slot.target)
    assert got.body == content
    assert stored_type(records, slot) == (slot.content_type or OCTETS)
    (area, path), = records.query("SELECT jid, path FROM file JOIN area ON area.id = area_id")
    assert path.endswith(f"/{slot.name}")
    assert area == area_of(slot)


def area_of(slot):
    """With two domains, nobody knows whose localpart it is; Prosody's URLs have none anyway."""
    if slot.random.startswith(ROMEO_SHA1):
        return f"sha1:{ROMEO_SHA1}"
    if slot.random.startswith("thomas/"):
        return "node:thomas" if slot.query.startswith("v=") else "slots:filer"
    return "slots:shared"


@pytest.mark.parametrize("name", [name for name, slot in RIGHT.items() if not slot.name.isascii()])
def test_path_may_come_as_raw_utf_8(server, nobody, name):
    slot, content = RIGHT[name], content_for(RIGHT[name])
    raw = slot.but(encoded=encode_raw(slot.name))
    assert not raw.encoded.isascii()
    assert upload(server, raw, content).status == 201
    assert nobody.request("GET", slot.target).body == content


@pytest.mark.parametrize("name", RIGHT)
def test_signed_url_is_for_its_size_only(server, nobody, name):
    slot, content = RIGHT[name], content_for(RIGHT[name])
    with nothing_changes(server):
        for other in {content + b"x", content[:-1], content[:1], b""} - {content}:
            assert slot.put(nobody, other).status == 403


def test_token_over_the_encoded_path_is_wrong(server, nobody):
    """Number 11: that of number 2, had the path not been decoded."""
    token = "4a17a4e58cc16ef745f4a130e5c26e40bb998fbd7cf4bbfce4c7b7b890f61f2c"
    slot = PROSODY["2"]
    assert sign_v1(slot.path.replace(slot.name, slot.encoded), 5, SECRET) == token
    with nothing_changes(server):
        assert slot.but(query=f"v={token}").put(nobody, content_for(slot)).status == 403


@pytest.mark.parametrize("name", TRAVERSALS)
def test_signed_traversal_is_refused(server, name):
    slot = TRAVERSALS[name]
    assert slot.query in signed_again(slot)
    with nothing_changes(server):
        for encoded in ("..", "%2e%2e", "%2E%2e", ".%2e"):
            answer = upload(server, slot.but(encoded=encoded), b"x")
            assert answer.status in (400, 403, 404, 405)


def test_romeo_is_who_his_hash_says(nobody, records):
    assert sha1_of(ROMEO) == ROMEO_SHA1
    slot = EJABBERD["bar.jpg"]
    assert slot.put(nobody, content_for(slot)).status == 201
    assert area_sums(records, ROMEO) is None
    # Another server says his name.
    chat = signed(new_slot(1, jid=ROMEO), "jwt", SECRET)
    assert chat.put(nobody, b"x").status == 201
    assert area_sums(records, ROMEO) == (slot.size_bytes + 1, 2)
    assert area_sums(records, f"sha1:{ROMEO_SHA1}") is None


def test_metronome_deletes(nobody):
    assert sign_delete(METRONOME.path, SECRET, b"delete secret") == METRONOME_DELETE
    METRONOME.put(nobody, content_for(METRONOME))
    wrong = METRONOME_DELETE[:-1] + "7"
    assert nobody.request("DELETE", f"{METRONOME.target}?token={wrong}").status == 403
    target = f"{METRONOME.target}?token={METRONOME_DELETE}"
    assert nobody.request("DELETE", target).status == 204
    assert nobody.request("GET", METRONOME.target).status == 404
    assert METRONOME.put(nobody, content_for(METRONOME)).status == 409


@pytest.mark.parametrize("token", [
    f"{JWT_HEADER}.{JWT_PAYLOAD}.{JWT_SIGNATURE}",
    f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{JWT_PAYLOAD}.",
    f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{JWT_PAYLOAD}",
    f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{JWT_PAYLOAD}.{JWT_SIGNATURE}",
], ids=["expired", "alg none", "alg none, two parts", "alg none, signed"])
def test_old_jwt_is_refused(server, nobody, token):
    random, _, name = JWT_PATH.partition("/")
    slot = Slot(7168, name, "image/png", random=random, encoded=name,
                authorization=f"Bearer {token}")
    with nothing_changes(server):
        assert slot.put(nobody, bytes(7168)).status == 403


def test_jwt_of_prosody_is_right_but_for_its_age(nobody, records):
    """The same claims in the same order with later times; the signature of the old one is ours."""
    payload = base64.urlsafe_b64decode(JWT_PAYLOAD + "=" * (-len(JWT_PAYLOAD) % 4)).decode()
    assert sign_jwt(payload, SECRET, '{"alg":"HS256","typ":"JWT"}') \
        == f"{JWT_HEADER}.{JWT_PAYLOAD}.{JWT_SIGNATURE}"
    claims = json.loads(payload)
    assert (claims["sub"], f"{claims['slot']}/{claims['filename']}") == (ROMEO, JWT_PATH)
    age_seconds = int(time.time()) - claims["iat"]
    for claim in ("iat", "exp", "expires"):
        payload = payload.replace(str(claims[claim]), str(claims[claim] + age_seconds))
    slot = Slot(7168, "picture.png", "image/png", random=claims["slot"], encoded="picture.png",
                authorization=f"Bearer {sign_jwt(payload, SECRET)}")
    assert slot.put(nobody, bytes(7168)).status == 201
    expires_us, = records.query("SELECT expires_us FROM file")[0]
    assert expires_us == (claims["expires"] + age_seconds) * 10**6
