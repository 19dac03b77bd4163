"""Expect: 100-continue, and refusals that do not swallow the body."""

import pytest

from client import area_path
from config import Site
from wire import Wire, request_head

QUOTA_BYTES = 1 << 20
MAX_FILE_BYTES = 512 << 10
HUGE_BYTES = 200 << 20
# What socket buffers on both sides and a closing server may take of a body nobody wants.
TAKEN_BYTES_MAX = 16 << 20


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}")


@pytest.fixture
def owner_near_quota(owner):
    """Has a file "there" and 1000 bytes of room left."""
    for path, size_bytes in (("there", MAX_FILE_BYTES), ("rest", MAX_FILE_BYTES - 1000)):
        assert owner.put(path, bytes(size_bytes)).status == 201
    return owner


# Name, path ("{}" is the owner's area), login?, length, more fields, status
REFUSALS = (
    ("no login", "{}new", False, 10, (), 401),
    ("area of another user", "/files/alice@example.org/new", True, 10, (), 403),
    ("area of a foreign domain", "/files/mallory@evil.example/new", True, 10, (), 403),
    ("file too large", "{}new", True, MAX_FILE_BYTES + 1, (), 413),
    ("absurdly large", "{}new", True, 2**63 - 1, (), 413),
    ("over quota", "{}new", True, 1001, (), 507),
    ("range", "{}new", True, 10, ("Content-Range: bytes 0-9/20",), 400),
    ("coded content", "{}new", True, 10, ("Content-Encoding: gzip",), 415),
    ("exists", "{}there", True, 10, ("If-None-Match: *",), 412),
    ("does not exist", "{}new", True, 10, ("If-Match: *",), 412),
    ("other version", "{}there", True, 10, ('If-Match: "other"',), 412),
    ("malformed digest", "{}new", True, 10, ("Repr-Digest: sha-256=nonsense",), 400),
    ("bad name", "{}a%01b", True, 10, (), 400),
    ("folder", "{}docs/", True, 10, (), 405),
    ("link", "/files/abcdefghijklmnopqrstuv/name", True, 10, (), 405),
    ("base", "/files/", True, 10, (), 405),
)


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case[0])
def test_refusal_comes_without_100_and_before_any_byte(server, owner_near_quota, case):
    _, target, with_login, length_bytes, fields, status = case
    owner = owner_near_quota
    with Wire(server) as wire:
        wire.send(request_head("PUT", target.format(area_path(owner.jid)),
                               f"Content-Length: {length_bytes}", "Expect: 100-continue", *fields,
                               client=owner if with_login else None))
        answer = wire.read_answer()
        assert answer.status == status
        assert answer.header("Connection") == "close"
        assert wire.is_closed()
    assert {entry["path"] for entry in owner.listing()["files"]} == {"there", "rest"}


def test_accepted_upload_gets_100_before_its_body(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "a"), "Content-Length: 5",
                               "Expect: 100-continue", client=owner))
        assert wire.read_answer().status == 100
        wire.send(b"hello")
        assert wire.read_answer().status == 201
    assert owner.get("a").body == b"hello"


def test_expectation_is_case_insensitive(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "a"), "Content-Length: 5",
                               "expect: 100-Continue", client=owner))
        assert wire.read_answer().status == 100


def test_http_1_0_gets_no_100(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "a"), "Content-Length: 5",
                               "Expect: 100-continue", client=owner, version="HTTP/1.0"))
        assert wire.is_silent(1)
        wire.send(b"hello")
        assert wire.read_answer().status == 201


def test_upload_without_expect_gets_no_100(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "a"), "Content-Length: 5",
                               client=owner))
        assert wire.is_silent(1)
        wire.send(b"hello")
        assert wire.read_answer().status == 201


def test_unknown_expectation_is_refused_or_ignored(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "a"), "Content-Length: 5",
                               "Expect: miracles", client=owner) + b"hello")
        assert wire.read_answer().status in (201, 417)


def test_curl_sends_nothing_of_a_refused_upload(curl, owner_near_quota, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(MAX_FILE_BYTES + 1))
    answer = curl("-T", big, "-H", "Expect: 100-continue", "--expect100-timeout", "30",
                  area_path(owner_near_quota.jid, "new"))
    assert (answer.status, answer.interim, answer.uploaded_bytes) == (413, (), 0)


HUGE_REFUSALS = (
    ("no login", "{}new", False, (), 401),
    ("area of another user", "/files/alice@example.org/new", True, (), 403),
    ("file too large", "{}new", True, (), 413),
    ("link", "/files/abcdefghijklmnopqrstuv/name", True, (), 405),
    ("exists", "{}there", True, ("If-None-Match: *",), 412),
)


@pytest.mark.parametrize("case", HUGE_REFUSALS, ids=lambda case: case[0])
def test_refused_huge_body_is_not_read_to_its_end(server, owner_near_quota, case):
    _, target, with_login, fields, status = case
    with Wire(server) as wire:
        wire.send(request_head("PUT", target.format(area_path(owner_near_quota.jid)),
                               f"Content-Length: {HUGE_BYTES}", *fields,
                               client=owner_near_quota if with_login else None))
        assert wire.pour_until_answered(HUGE_BYTES) < TAKEN_BYTES_MAX
        answer = wire.read_answer()
        # 413 may be said before what else is wrong: both are known from the head.
        assert answer.status in (status, 413)
        assert answer.header("Connection") == "close"


def test_body_over_quota_is_not_read_to_its_end(start_server, users):
    server = start_server(Site(base_lines="JabberFilesQuota 1M\nJabberFilesMaxFileSize unlimited"))
    owner = users.client(server)
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "new"),
                               f"Content-Length: {HUGE_BYTES}", client=owner))
        assert wire.pour_until_answered(HUGE_BYTES) < TAKEN_BYTES_MAX
        answer = wire.read_answer()
        assert (answer.status, answer.header("Connection")) == (507, "close")


def test_connection_is_kept_after_a_refusal_without_body(server, owner):
    with Wire(server) as wire:
        for _ in range(2):
            wire.send(request_head("GET", area_path(owner.jid, "missing"), client=owner))
            assert wire.read_answer("GET").status == 404
