"""Tokens: each is for one path, size and type; of several kinds the first that is there counts."""

import base64
import itertools

import pytest

from answer import assert_problem
from client import JSON, Client
from config import Site, base_location
from slots import (KEYS, KINDS, area_sums, assert_refused_before_its_body, grant, new_slot,
                   nothing_changes, secret_line, secret_lines, secrets_directory, signed,
                   site_with_slots, write_secret)

CONTENT = b"0123456789"
SIZE_BYTES = len(CONTENT)
HMAC_KINDS = ("v1", "v2", "token")
OLD_KEYS = {kind: b"last year's " + KEYS[kind] for kind in KINDS}


@pytest.fixture(scope="module")
def site(work_dir, users):
    directory = secrets_directory(work_dir)
    rotated = secret_lines(work_dir, prefix="new-") \
        + secret_lines(work_dir, keys=OLD_KEYS, prefix="old-")
    bases = {
        "/v1": secret_line("v1", write_secret(directory, "alone.key", KEYS["v1"])),
        "/other": secret_lines(work_dir, keys=OLD_KEYS, prefix="other-"),
        "/rotated": rotated,
        "/none": "",
    }
    return site_with_slots(work_dir, domains=("example.org", "münchen.example"),
                     server_lines="".join(base_location(path, users.path, lines)
                                          for path, lines in bases.items()))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def assert_only_right_token(server, nobody, wrong, right, statuses=(403,)):
    """The slot is refused with one token, leaves nothing, and can be used with the other."""
    with nothing_changes(server):
        assert wrong.put(nobody, CONTENT).status in statuses
    assert right.put(nobody, CONTENT).status == 201


def right_and_wrong(slot, kind):
    """The token of a kind for a slot, and one that is well formed and wrong."""
    right = signed(slot, kind)
    wrong = signed(slot, kind, b"another secret")
    return {"right": right, "wrong": wrong}


def both(first, second):
    """A slot with the tokens of two."""
    query = "&".join(part for part in (first.query, second.query) if part)
    return first.but(query=query, authorization=first.authorization or second.authorization)


# Which of several


@pytest.mark.parametrize("higher,lower", itertools.combinations(KINDS, 2))
@pytest.mark.parametrize("swapped", [False, True])
def test_only_the_highest_kind_counts(server, nobody, records, higher, lower, swapped):
    slot = new_slot(SIZE_BYTES)
    high, low = right_and_wrong(slot, higher), right_and_wrong(slot, lower)
    pair = [high["wrong"], low["right"]]
    with nothing_changes(server):
        assert both(*(pair[::-1] if swapped else pair)).put(nobody, CONTENT).status == 403
    area = slot.jid if higher == "jwt" else f"slots:{higher}"
    files_before = (area_sums(records, area) or (0, 0))[1]
    pair = [high["right"], low["wrong"]]
    assert both(*(pair[::-1] if swapped else pair)).put(nobody, CONTENT).status == 201
    assert area_sums(records, area)[1] == files_before + 1


@pytest.mark.parametrize("higher", ["jwt", "v2", "token"])
def test_kinds_without_a_secret_do_not_count(nobody, higher):
    slot = new_slot(SIZE_BYTES, base="/v1")
    wrong = signed(slot, higher, b"another secret")
    assert both(signed(slot, "v1"), wrong).put(nobody, CONTENT).status == 201
    assert signed(new_slot(SIZE_BYTES, base="/v1"), higher).put(nobody, CONTENT).status == 403


def test_login_with_basic_is_no_token(nobody, owner):
    slot = grant("v1", SIZE_BYTES)
    basic = slot.but(authorization=owner.authorization)
    assert basic.put(nobody, CONTENT).status == 201


# Which secret


def test_secret_of_another_base_is_wrong(server, nobody, kind):
    slot = new_slot(SIZE_BYTES, base="/other")
    assert_only_right_token(server, nobody, signed(slot, kind),
                            signed(slot, kind, OLD_KEYS[kind]))


def test_secret_of_another_kind_is_wrong(server, nobody, kind):
    slot = new_slot(SIZE_BYTES)
    for other in KINDS:
        if other != kind:
            with nothing_changes(server):
                wrong = signed(slot, kind, KEYS[other])
                assert wrong.put(nobody, CONTENT).status == 403
    assert signed(slot, kind).put(nobody, CONTENT).status == 201


def test_old_and_new_secret_work_together(nobody, records, kind):
    for key, age in ((KEYS[kind], "new"), (OLD_KEYS[kind], "old")):
        slot = signed(new_slot(SIZE_BYTES, base="/rotated"), kind, key)
        assert slot.put(nobody, CONTENT).status == 201
        if kind != "jwt":
            assert area_sums(records, f"slots:{age}-{kind}")[1] == 1
    third = signed(new_slot(SIZE_BYTES, base="/rotated"), kind, b"neither")
    assert third.put(nobody, CONTENT).status == 403


def test_base_without_secrets_is_405_as_ever(server, nobody, kind):
    slot = grant(kind, SIZE_BYTES, base="/none")
    answer = slot.put(nobody, CONTENT)
    assert answer.status == 405
    assert "PUT" not in answer.header("Allow")
    assert_refused_before_its_body(server, slot, 405)


# No token


def test_no_token_is_401_where_jwt_are_taken(nobody):
    slot = new_slot(SIZE_BYTES)
    for target in (slot.target, f"{slot.target}?", f"{slot.target}?x=1", f"{slot.target}?V=1"):
        answer = nobody.request("PUT", target, CONTENT, JSON)
        assert_problem(answer, 401)
        assert answer.header("WWW-Authenticate").startswith("Bearer")
        assert "Basic" not in answer.header("WWW-Authenticate")


def test_no_token_is_403_elsewhere(nobody):
    answer = new_slot(SIZE_BYTES, base="/v1").put(nobody, CONTENT, Accept="application/json")
    assert_problem(answer, 403)
    assert answer.header("WWW-Authenticate") is None


@pytest.mark.parametrize("authorization", ["Basic", "Digest x", "Negotiate x", "Bear er x", "x"])
def test_other_logins_are_no_token(nobody, authorization):
    answer = new_slot(SIZE_BYTES).put(nobody, CONTENT, Authorization=authorization)
    assert answer.status == 401


# Wrong tokens of the HMAC kinds

SPOILERS = {
    "empty": lambda token: "",
    "truncated": lambda token: token[:-1],
    "half": lambda token: token[:32],
    "longer": lambda token: token + "0",
    "doubled": lambda token: token + token,
    "upper-case": lambda token: token.upper(),
    "last digit": lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
    "first digit": lambda token: ("0" if token[0] != "0" else "1") + token[1:],
    "encoded": lambda token: f"%{ord(token[0]):02x}" + token[1:],
    "blank before": lambda token: "%20" + token,
    "newline behind": lambda token: token + "%0a",
    "nul behind": lambda token: token + "%00",
    "huge": lambda token: token * 100,
    "zeros": lambda token: "0" * 64,
    "no digits": lambda token: "g" * 64,
    "base64": lambda token: base64.b64encode(bytes.fromhex(token)).decode().rstrip("="),
    "with =": lambda token: "=" + token,
}


@pytest.mark.parametrize("kind", HMAC_KINDS)
@pytest.mark.parametrize("spoiler", SPOILERS)
def test_token_has_one_form(server, nobody, kind, spoiler):
    slot = grant(kind, SIZE_BYTES)
    parameter, _, token = slot.query.partition("=")
    spoiled = slot.but(query=f"{parameter}={SPOILERS[spoiler](token)}")
    assert_only_right_token(server, nobody, spoiled, slot)


@pytest.mark.parametrize("kind", HMAC_KINDS)
def test_parameter_is_there_once(server, nobody, kind):
    slot = grant(kind, SIZE_BYTES)
    wrong = signed(slot, kind, b"another secret")
    for first, second in ((slot, wrong), (wrong, slot), (slot, slot)):
        with nothing_changes(server):
            assert both(first, second).put(nobody, CONTENT).status == 403
    assert slot.but(query=f"a=b&{slot.query}&c").put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("change", [
    {"size_bytes": SIZE_BYTES + 1}, {"size_bytes": -SIZE_BYTES}, {"name": "other.jpg"},
    {"random": "other"}, {"name": "photo.jpg "}, {"name": "Photo.jpg"}, {"name": "photo.jp"},
    {"random": "sha1/other"}, {"name": "photo.jpg\0"}], ids=repr)
def test_token_for_another_path_or_size_is_refused(server, nobody, kind, change):
    slot = grant(kind, SIZE_BYTES)
    other = signed(slot.but(**change), kind)
    wrong = slot.but(query=other.query, authorization=other.authorization)
    # A JWT says which size it is for, so that a client with another one can be told so.
    statuses = (400, 403) if kind == "jwt" and "size_bytes" in change else (403,)
    assert_only_right_token(server, nobody, wrong, slot, statuses)


@pytest.mark.parametrize("kind", ["v2", "token"])
def test_token_for_another_type_is_refused(server, nobody, kind):
    slot = grant(kind, SIZE_BYTES, "a.bin", content_type="application/pdf")
    wrong = slot.but(query=signed(slot.but(content_type="text/html"), kind).query)
    assert_only_right_token(server, nobody, wrong, slot)


def test_site_with_jwt_alone(start_server, work_dir):
    nobody = Client(start_server(Site(base_lines=secret_lines(work_dir, ("jwt",)))))
    for kind, status in (("v1", 401), ("v2", 401), ("token", 401), ("jwt", 201)):
        assert grant(kind, SIZE_BYTES).put(nobody, CONTENT).status == status
