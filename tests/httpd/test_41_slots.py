"""Slots that a Jabber server signs: what is stored, for whom, and what the answers say."""

import re
import time
from datetime import datetime, timezone

import pytest

from answer import assert_safe_headers
from client import area_path
from config import base_location
from slots import (KINDS, OCTETS, area_sums, assert_settled, delete, encode_libsoup, grant,
                   grant_ejabberd, new_slot, secret_lines, sign_delete, signed, site_with_slots,
                   stored_type)

CONTENT = bytes(range(256)) * 40
DAY_SECONDS = 86400
EXPIRE_SECONDS = 3600


@pytest.fixture(scope="module")
def site(work_dir, users):
    return site_with_slots(work_dir, server_lines=base_location(
        "/brief", users.path, f"JabberFilesExpire {EXPIRE_SECONDS}\n"
        + secret_lines(work_dir, ("jwt", "v1"), prefix="brief-")))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def chat(owner):
    """Grants slots of Prosody's mod_http_file_share to `owner`."""
    return lambda size_bytes, *args, **more: grant("jwt", size_bytes, *args, jid=owner.jid, **more)


@pytest.mark.valgrind
def test_url_of_a_slot_works_once_the_file_is_there(nobody, kind):
    slot = grant(kind, len(CONTENT))
    for method in ("GET", "HEAD"):
        for target in (slot.target, slot.put_target):
            assert nobody.request(method, target).status == 404
    assert slot.put(nobody, CONTENT).status == 201
    got, head = nobody.request("GET", slot.target), nobody.request("HEAD", slot.target)
    assert (got.status, got.body) == (200, CONTENT)
    assert (head.status, head.body) == (200, b"")
    for answer in (got, head):
        assert answer.header("Content-Type") == "image/jpeg"
        assert answer.header("Content-Length") == str(len(CONTENT))
        assert answer.header("ETag")
        assert_safe_headers(answer)
    assert nobody.request("GET", slot.put_target).body == CONTENT
    part = nobody.request("GET", slot.target, headers={"Range": "bytes=2-4"})
    assert (part.status, part.body) == (206, CONTENT[2:5])


def test_answer_to_the_upload_is_the_link(server, nobody, kind):
    slot = grant(kind, 5, "a b.txt", content_type="text/plain", encode=encode_libsoup)
    answer = slot.put(nobody, b"hello")
    assert (answer.status, answer.version) == (201, "HTTP/1.1")
    assert answer.header("Location") == server.url(slot.target)
    assert answer.text == server.url(slot.target) + "\n"
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.header("WWW-Authenticate") is None
    assert_safe_headers(answer)


@pytest.mark.parametrize("size_bytes", [0, 1, 65537, 5 << 20])
def test_every_size_comes_back_whole(nobody, kind, size_bytes):
    content = (CONTENT * (size_bytes // len(CONTENT) + 1))[:size_bytes]
    slot = grant(kind, size_bytes)
    assert slot.put(nobody, content).status == 201
    assert nobody.request("GET", slot.target).body == content


# Whose it is


def test_file_is_in_its_owners_list(server, owner, nobody, chat):
    owner.put("own.txt", bytes(100))
    slot = chat(len(CONTENT))
    before = datetime.now(timezone.utc).replace(microsecond=0)
    assert slot.put(nobody, CONTENT).status == 201
    listing = owner.listing()
    entry, own = listing["files"]
    assert own["path"] == "own.txt"
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (len(CONTENT) + 100, 0)
    assert (entry["size_bytes"], entry["content_type"]) == (len(CONTENT), "image/jpeg")
    assert entry["link"] == server.url(slot.target)
    assert entry["expires"] is None
    form = re.fullmatch(r"chat/(\d{4}-\d\d-\d\d)/(\d{6})-[0-9a-f]{16}/photo\.jpg", entry["path"])
    uploaded = datetime.strptime(f"{form[1]} {form[2]}+0000", "%Y-%m-%d %H%M%S%z")
    assert before <= uploaded <= datetime.now(timezone.utc)
    assert [file["path"] for file in owner.listing("chat/")["files"]] == [entry["path"]]
    assert owner.get(entry["path"]).body == CONTENT


def test_owner_deletes_a_file_of_a_slot(server, owner, nobody, chat):
    slot = chat(len(CONTENT))
    slot.put(nobody, CONTENT)
    path = owner.listing()["files"][0]["path"]
    assert owner.delete(path).status == 204
    assert nobody.request("GET", slot.target).status == 404
    assert (owner.used_bytes(), owner.listing()["files"]) == (0, [])
    assert_settled(server)


def test_owner_replaces_a_file_of_a_slot_and_the_link_stays(owner, nobody, chat):
    slot = chat(len(CONTENT))
    slot.put(nobody, CONTENT)
    path = owner.listing()["files"][0]["path"]
    assert owner.put(path, b"edited", {"Content-Type": "text/plain"}).status == 200
    assert nobody.request("GET", slot.target).body == b"edited"
    assert slot.put(nobody, CONTENT).status == 409


def test_files_of_one_name_do_not_meet(owner, nobody, chat):
    chats = [chat(1) for _ in range(20)]
    for number, slot in enumerate(chats):
        assert slot.put(nobody, bytes([number])).status == 201
    assert len(owner.listing()["files"]) == 20
    for number, slot in enumerate(chats):
        assert nobody.request("GET", slot.target).body == bytes([number])


@pytest.mark.parametrize("kind", ["v1", "v2", "token"])
def test_files_without_a_user_belong_to_their_secret(nobody, records, kind):
    used_bytes, file_count = area_sums(records, f"slots:{kind}") or (0, 0)
    assert grant(kind, len(CONTENT)).put(nobody, CONTENT).status == 201
    assert area_sums(records, f"slots:{kind}") == (used_bytes + len(CONTENT), file_count + 1)


def test_login_of_an_owner_is_no_token(owner, chat):
    slot = chat(5).but(authorization="")
    answer = slot.put(owner, b"hello")
    assert answer.status == 401
    assert answer.header("WWW-Authenticate").startswith("Bearer")
    assert owner.request("GET", slot.target).status == 404
    # And it does not hinder a token that is elsewhere.
    assert grant("v1", 5).put(owner, b"hello").status == 201


# Types


# Signed with, sent with, name, stored as; None where the server's answer is 403.
TYPES_V2 = (
    ("image/jpeg", "image/jpeg", "a.jpg", "image/jpeg"),
    ("image/jpeg", None, "a.jpg", "image/jpeg"),
    ("image/jpeg", OCTETS, "a.JPG", "image/jpeg"),
    ("text/plain", "text/plain; charset=utf-8", "a", "text/plain"),
    ("text/plain", "text/plain ;charset=utf-8", "a", "text/plain"),
    ("text/plain; charset=utf-8", "text/plain; charset=utf-8", "a", "text/plain; charset=utf-8"),
    ("", "image/png", "a.png", OCTETS),
    ("", None, "a.png", OCTETS),
    (OCTETS, OCTETS, "a.png", OCTETS),
    ("text/plain; charset=utf-8", "text/plain", "a.txt", None),
    ("video/mp4", None, "a.unheard-of", None),
    ("video/mp4", OCTETS, "a", None),
    ("video/mp4", "video/webm", "a", None),
    ("image/jpeg", "image/png", "a.png", None),
)


@pytest.mark.parametrize("kind", ["v2", "token"])
@pytest.mark.parametrize("case", TYPES_V2)
def test_type_is_the_one_of_those_tried_that_was_signed(nobody, records, kind, case):
    signed_type, sent, name, stored = case
    slot = grant(kind, 1, name, content_type=signed_type)
    assert slot.put(nobody, b"x", Content_Type=sent).status == (201 if stored else 403)
    if stored:
        assert stored_type(records, slot) == stored


@pytest.mark.parametrize("sent,stored", [
    ("image/png", "image/png"), ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    (None, OCTETS), ("not a type", OCTETS)])
def test_type_of_v1_is_as_sent(nobody, records, sent, stored):
    slot = grant("v1", 1, "a.jpg")
    assert slot.put(nobody, b"x", Content_Type=sent).status == 201
    assert stored_type(records, slot) == stored


# Claim "filetype", sent with, stored as.
TYPES_JWT = (
    ("image/jpeg", "image/jpeg", "image/jpeg"), ("image/jpeg", None, "image/jpeg"),
    ("image/jpeg", OCTETS, "image/jpeg"), ("image/jpeg", "IMAGE/JPEG", "image/jpeg"),
    ("text/plain; charset=utf-8", "text/plain", "text/plain; charset=utf-8"),
    ("text/plain", "text/plain; charset=utf-8", "text/plain"),
    (..., None, OCTETS), (..., OCTETS, OCTETS), (OCTETS, None, OCTETS),
    # Prosody grants that to a client that named no type; whatever it sends now was not granted.
    (..., "text/html", OCTETS), (OCTETS, "image/png", OCTETS),
    ("image/jpeg", "image/png", None), ("image/jpeg", "text/html", None),
    ("text/plain", "text/html; charset=utf-8", None),
)


@pytest.mark.parametrize("filetype,sent,stored", TYPES_JWT)
def test_type_of_a_jwt_is_as_signed(nobody, records, filetype, sent, stored):
    slot = signed(new_slot(1), "jwt", filetype=filetype)
    assert slot.put(nobody, b"x", Content_Type=sent).status == (201 if stored else 403)
    if stored:
        assert stored_type(records, slot) == stored


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_types_that_browsers_run_are_attachments(nobody, kind, content_type):
    slot = grant(kind, 1, "page.html", content_type=content_type)
    assert slot.put(nobody, b"x").status == 201
    answer = nobody.request("GET", slot.target)
    assert answer.header("Content-Disposition").startswith("attachment")
    assert "sandbox" in answer.header("Content-Security-Policy")


# How long it stays


def expiry_seconds(entry):
    """How long a listed file stays, from its creation on; None for ever."""
    times = [entry[key] and datetime.fromisoformat(entry[key].replace("Z", "+00:00"))
             for key in ("created", "expires")]
    return times[1] and (times[1] - times[0]).total_seconds()


@pytest.mark.parametrize("base,claimed_seconds,expected_seconds", [
    ("/files", None, None), ("/files", 7 * DAY_SECONDS, 7 * DAY_SECONDS),
    ("/brief", None, EXPIRE_SECONDS), ("/brief", 600, 600), ("/brief", DAY_SECONDS, EXPIRE_SECONDS),
])
def test_expires_can_only_shorten_a_files_life(nobody, server, users, base, claimed_seconds,
                                               expected_seconds):
    owner = users.client(server, base=base)
    expires = int(time.time()) + claimed_seconds if claimed_seconds else ...
    slot = signed(new_slot(1, jid=owner.jid, base=base), "jwt", expires=expires)
    assert slot.put(nobody, b"x").status == 201
    life_seconds = expiry_seconds(owner.listing()["files"][0])
    if expected_seconds is None:
        assert life_seconds is None
    else:
        assert abs(life_seconds - expected_seconds) <= 3


def test_file_is_gone_when_its_claim_says(owner, nobody, chat):
    slot = signed(chat(1), "jwt", expires=int(time.time()) + 3)
    assert slot.put(nobody, b"x").status == 201
    assert nobody.request("GET", slot.target).status == 200
    time.sleep(3)
    assert nobody.request("GET", slot.target).status == 404
    assert owner.listing()["files"] == []


def test_slots_without_a_claim_expire_by_the_configuration(nobody, server, users):
    owner = users.client(server, base="/brief")
    for slot in (grant("v1", 1, base="/brief"),
                 grant_ejabberd(1, owner.jid.partition("@")[0], base="/brief")):
        assert slot.put(nobody, b"x").status == 201
    assert expiry_seconds(owner.listing()["files"][0]) == EXPIRE_SECONDS


# Metronome's DELETE


def test_metronome_deletes(server, nobody, records):
    slot = grant("token", len(CONTENT))
    slot.put(nobody, CONTENT)
    used_bytes, file_count = area_sums(records, "slots:token")
    assert delete(nobody, slot).status == 204
    assert nobody.request("GET", slot.target).status == 404
    assert area_sums(records, "slots:token") == (used_bytes - len(CONTENT), file_count - 1)
    assert delete(nobody, slot).status == 404
    assert_settled(server)


@pytest.mark.parametrize("query", ["", "?token=", "?token=" + "0" * 64, "?v={put}", "?token={put}",
                                   "?token={other}", "?token={alien}", "?token={twice}"])
def test_delete_without_the_right_token_is_403(nobody, query):
    slot = grant("token", 1)
    slot.put(nobody, b"x")
    filled = query.format(put=slot.query.partition("=")[2], other=sign_delete("other/photo.jpg"),
                          alien=sign_delete(slot.path, delete_key=b"another"),
                          twice=sign_delete(slot.path) * 2)
    assert nobody.request("DELETE", slot.target + filled).status == 403
    assert nobody.request("GET", slot.target).status == 200
    assert delete(nobody, slot).status == 204


@pytest.mark.parametrize("kind", ["jwt", "v1", "v2"])
def test_metronome_deletes_nothing_of_others(nobody, owner, kind):
    slot = grant(kind, 1, jid=owner.jid)
    slot.put(nobody, b"x")
    assert delete(nobody, slot).status in (403, 404)
    link = owner.put("own.txt", b"own").link
    random, name = link.split("/")[-2:]
    own = slot.but(random=random, name=name, encoded=name)
    assert delete(nobody, own).status in (403, 404)
    assert nobody.request("GET", slot.target).status == 200
    assert owner.open_link(link).body == b"own"


def test_delete_without_a_delete_key_is_405(nobody):
    slot = grant("v1", 1, base="/brief")
    slot.put(nobody, b"x")
    answer = delete(nobody, slot)
    assert answer.status == 405
    assert "DELETE" not in answer.header("Allow")
    assert nobody.request("GET", slot.target).status == 200


# Methods


@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND", "MKCOL", "MOVE", "COPY"])
def test_other_methods_are_405(nobody, kind, method):
    slot = grant(kind, 1)
    answer = nobody.request(method, slot.put_target, b"x", slot.fields())
    assert answer.status == 405
    assert {"GET", "HEAD", "PUT", "OPTIONS"} <= set(re.split(r",\s*", answer.header("Allow")))
    assert slot.put(nobody, b"x").status == 201


def test_areas_of_secrets_have_no_url(owner, nobody):
    grant("v1", 1).put(nobody, b"x")
    for path in ("/files/slots:v1/", "/files/slots:v1", area_path("slots:v1")):
        assert owner.request("GET", path).status == 404
