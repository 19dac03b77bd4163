"""Repr-Digest and Content-Digest (RFC 9530): verified when sent, nothing stored on mismatch."""

import base64
import hashlib

import pytest

from answer import assert_problem
from client import JSON

CONTENT = b"a greeting\n" * 1000
OTHER = b"another greeting\n"


def _member(name, content=CONTENT, key=None):
    digest = hashlib.new(name.replace("-", ""), content).digest()
    return f"{key or name}=:{base64.b64encode(digest).decode()}:"


SHA256 = _member("sha-256")
WRONG_SHA256 = _member("sha-256", OTHER)

ACCEPTED = (
    SHA256,
    f"{_member('sha-512')}, {SHA256}",
    f"{SHA256}, unknown=:AAAA:",
    f"{WRONG_SHA256}, {SHA256}",  # of two members with one key the last counts (RFC 8941, 3.2)
    f"{SHA256};parameter=1",
    "unknown=:AAAA:",
    "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:",
)
MISMATCHED = (WRONG_SHA256, f"{SHA256}, {WRONG_SHA256}", f"unknown=:AAAA:, {WRONG_SHA256}")
MALFORMED = (
    "sha-256", "sha-256=", "sha-256=::", "sha-256=:AAAA:", "sha-256=:not base64!:",
    SHA256[:-1], SHA256.replace("=:", "=\"", 1), "sha-256=" + hashlib.sha256(CONTENT).hexdigest(),
    SHA256 + ",", "=:AAAA:", f"{SHA256} {SHA256}", "sha-256=:" + "A" * 7000 + ":",
    "SHA-256=:AAAA:",
)
FIELDS = ("Repr-Digest", "Content-Digest")


@pytest.mark.valgrind
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ACCEPTED)
def test_right_or_foreign_digest_is_accepted(owner, field, value):
    assert owner.put("file", CONTENT, {field: value}).status == 201
    assert owner.get("file").body == CONTENT


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", MISMATCHED)
def test_wrong_digest_is_400_and_nothing_is_stored(owner, field, value, records):
    assert_problem(owner.put("file", CONTENT, {field: value, **JSON}), 400)
    listing = owner.listing()
    assert (listing["files"], listing["used_bytes"], listing["reserved_bytes"]) == ([], 0, 0)
    assert records.stored_objects() == records.filed_objects()


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", MALFORMED)
def test_malformed_digest_is_400(owner, field, value):
    assert owner.put("file", CONTENT, {field: value}).status == 400
    assert owner.listing()["files"] == []


def test_wrong_digest_keeps_the_old_file(owner):
    link = owner.put("file", OTHER).link
    assert owner.put("file", CONTENT, {"Repr-Digest": WRONG_SHA256}).status == 400
    assert owner.open_link(link).body == OTHER


def test_both_fields_are_verified(owner):
    fields = {"Repr-Digest": SHA256, "Content-Digest": WRONG_SHA256}
    assert owner.put("file", CONTENT, fields).status == 400


def test_digest_of_a_chunked_body_is_verified(owner):
    chunks = [CONTENT[:5], CONTENT[5:]]
    assert owner.put_chunked("file", chunks, {"Repr-Digest": SHA256}).status == 201
    assert owner.put_chunked("file", chunks, {"Repr-Digest": WRONG_SHA256}).status == 400


def test_sent_digest_comes_back_with_the_file(owner):
    link = owner.put("file", CONTENT, {"Repr-Digest": SHA256}).link
    assert owner.open_link(link).header("Repr-Digest") == SHA256
    assert owner.open_link(link, "HEAD").header("Repr-Digest") == SHA256
