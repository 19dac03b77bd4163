"""How much may come by slots: the size of a file, the quota of an area, and lengths that lie."""

import time

import pytest

from admin import Admin
from answer import assert_problem
from client import JSON, Client
from config import Site
from records import Records
from slots import (KINDS, area_sums, assert_refused_before_its_body, assert_settled, grant,
                   grant_ejabberd, new_slot, nothing_changes, secret_lines, sha1_of, signed,
                   site_with_slots)
from wire import Wire, request_head

MAX_FILE_BYTES = 100_000
QUOTA_BYTES = 150_000
TAG_BYTES = 16
HUGE_BYTES = 200 << 20
# What socket buffers on both sides and a closing server may take of a body nobody wants.
TAKEN_BYTES_MAX = 16 << 20


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                                          f"JabberFilesMaxFileSize {MAX_FILE_BYTES}\n")


@pytest.fixture(params=(*KINDS, "ejabberd"))
def kind(request):
    return request.param


@pytest.fixture
def new(owner, kind):
    """Grants slots of the kind, those that name a user to `owner`."""
    if kind == "ejabberd":
        return lambda size_bytes: grant_ejabberd(size_bytes, sha1_of(owner.jid))
    return lambda size_bytes: grant(kind, size_bytes, jid=owner.jid)


@pytest.fixture(autouse=True)
def empty(server, records):
    """The areas of the secrets are for all tests together: each begins without them."""
    yield
    for name, in records.query("SELECT jid FROM area WHERE jid LIKE 'slots:%'"):
        Admin(server)("remove-area", "--yes", name)


# One file


def test_encrypted_file_may_have_a_tag_more(nobody, new):
    slot = new(MAX_FILE_BYTES + TAG_BYTES)
    assert slot.put(nobody, bytes(slot.size_bytes)).status == 201
    assert len(nobody.request("GET", slot.target).body) == MAX_FILE_BYTES + TAG_BYTES


def test_larger_file_is_413_before_its_body(server, nobody, new):
    slot = new(MAX_FILE_BYTES + TAG_BYTES + 1)
    with nothing_changes(server):
        assert_refused_before_its_body(server, slot, 413)
        answer = slot.put(nobody, bytes(slot.size_bytes), **JSON)
        problem = assert_problem(answer, 413)
        assert problem["max_file_size_bytes"] in (MAX_FILE_BYTES, MAX_FILE_BYTES + TAG_BYTES)
        assert_refused_before_its_body(server, new(2**63 - 1), 413)


def test_tag_is_for_slots_only(owner):
    assert owner.put("a", bytes(MAX_FILE_BYTES + 1)).status == 413
    assert owner.put("a", bytes(MAX_FILE_BYTES)).status == 201


def test_refused_huge_body_is_not_read_to_its_end(server, new):
    slot = new(HUGE_BYTES)
    with Wire(server) as wire:
        wire.send(slot.head(HUGE_BYTES))
        assert wire.pour_until_answered(HUGE_BYTES) < TAKEN_BYTES_MAX
        answer = wire.read_answer()
        assert (answer.status, answer.header("Connection")) == (413, "close")


def test_file_of_unlimited_size(start_server, work_dir):
    server = start_server(site_with_slots(work_dir, base_lines="JabberFilesMaxFileSize unlimited\n"
                                                         "JabberFilesQuota unlimited\n"))
    slot = grant("v1", MAX_FILE_BYTES)
    assert slot.put(Client(server), bytes(MAX_FILE_BYTES)).status == 201


# One area


def test_over_quota_is_507_before_its_body(server, nobody, new):
    assert new(MAX_FILE_BYTES).put(nobody, bytes(MAX_FILE_BYTES)).status == 201
    rest = QUOTA_BYTES - MAX_FILE_BYTES
    over, fits = new(rest + 1), new(rest)
    with nothing_changes(server):
        assert_refused_before_its_body(server, over, 507)
        problem = assert_problem(over.put(nobody, bytes(rest + 1), **JSON), 507)
        assert (problem["quota_bytes"], problem["used_bytes"], problem["required_bytes"]) \
            == (QUOTA_BYTES, MAX_FILE_BYTES, rest + 1)
    assert fits.put(nobody, bytes(rest)).status == 201
    assert new(1).put(nobody, b"x").status == 507
    assert new(0).put(nobody, b"").status == 201


def test_refused_slot_can_be_used_when_there_is_room(server, nobody, owner):
    slot = grant("jwt", MAX_FILE_BYTES, jid=owner.jid)
    owner.put("own", bytes(MAX_FILE_BYTES))
    assert slot.put(nobody, bytes(MAX_FILE_BYTES)).status == 507
    owner.delete("own")
    assert slot.put(nobody, bytes(MAX_FILE_BYTES)).status == 201
    assert owner.put("own", bytes(MAX_FILE_BYTES)).status == 507
    assert_settled(server)


def test_uploads_in_flight_count(server, nobody, owner, kind, new):
    slow, next_one = new(MAX_FILE_BYTES), new(MAX_FILE_BYTES)
    with Wire(server) as wire:
        wire.send(slow.head(MAX_FILE_BYTES, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        wire.send(bytes(MAX_FILE_BYTES - 1))
        assert_refused_before_its_body(server, next_one, 507)
        if kind in ("jwt", "ejabberd"):
            assert owner.listing()["reserved_bytes"] == MAX_FILE_BYTES
            assert owner.put("own", bytes(MAX_FILE_BYTES)).status == 507
        wire.reset()
    assert_settled(server)
    assert next_one.put(nobody, bytes(MAX_FILE_BYTES)).status == 201


# What ejabberd's users have before anybody knows who they are, and what areas without one have.
@pytest.mark.parametrize("kind,area", [("v1", "slots:v1"), ("v2", "slots:v2"),
                                       ("token", "slots:token"), ("ejabberd", "sha1:{}")])
def test_operator_gives_such_an_area_another_quota(server, nobody, owner, records, new, area):
    name = area.format(sha1_of(owner.jid))
    admin = Admin(server)
    admin("quota", name, "1000")
    assert_refused_before_its_body(server, new(1001), 507)
    assert new(1000).put(nobody, bytes(1000)).status == 201
    assert new(1).put(nobody, b"x").status == 507
    admin("quota", name, "unlimited")
    for _ in range(3):
        assert new(MAX_FILE_BYTES).put(nobody, bytes(MAX_FILE_BYTES)).status == 201
    assert area_sums(records, name) == (3 * MAX_FILE_BYTES + 1000, 4)
    admin("quota", name, "default")
    assert new(1).put(nobody, b"x").status == 507


def test_secrets_of_one_kind_have_each_their_quota(start_server, work_dir):
    other = b"of another server"
    server = start_server(Site(base_lines=secret_lines(work_dir, ("v1",), prefix="one-")
                               + secret_lines(work_dir, ("v1",), {"v1": other}, prefix="two-")
                               + "JabberFilesQuota 1000\n"))
    nobody = Client(server)
    assert grant("v1", 1000).put(nobody, bytes(1000)).status == 201
    assert grant("v1", 1).put(nobody, b"x").status == 507
    assert signed(new_slot(1000), "v1", other).put(nobody, bytes(1000)).status == 201
    records = Records(server)
    assert area_sums(records, "slots:one-v1") == area_sums(records, "slots:two-v1") == (1000, 1)


# Lengths


@pytest.mark.parametrize("fields", [("Transfer-Encoding: chunked",),
                                    ("Transfer-Encoding: chunked", "Expect: 100-continue"), ()],
                         ids=["chunked", "chunked, expect", "neither"])
def test_upload_without_a_length_is_411(server, nobody, new, fields):
    slot = new(5)
    lines = [f"{name}: {value}" for name, value in slot.fields().items()]
    with nothing_changes(server), Wire(server) as wire:
        wire.send(request_head("PUT", slot.put_target, *lines, *fields))
        answer = wire.read_answer()
        assert (answer.status, answer.header("Connection")) == (411, "close")
    assert slot.put(nobody, b"hello").status == 201


@pytest.mark.parametrize("length", ["-5", "+5", "5x", "0x5", "5, 6", "5.0", ""])
def test_bad_length_is_400(server, nobody, new, length, log):
    log.allow("AH00587|AH01587|AH02612")
    slot = new(5)
    lines = [f"{name}: {value}" for name, value in slot.fields().items()]
    with nothing_changes(server), Wire(server) as wire:
        wire.send(request_head("PUT", slot.put_target, f"Content-Length: {length}", *lines)
                  + b"hello")
        assert wire.read_answer().status in (400, 413)
    assert slot.put(nobody, b"hello").status == 201


def test_length_and_chunks_together_are_no_upload(server, nobody, new):
    slot = new(5)
    with nothing_changes(server), Wire(server) as wire:
        wire.send(slot.head(5, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
        assert wire.read_answer().status in (400, 411)
    assert slot.put(nobody, b"hello").status == 201


@pytest.mark.parametrize("value", ["bytes 0-4/10", "bytes */5", "nonsense"])
def test_content_range_is_400(server, nobody, new, value):
    slot = new(5)
    with nothing_changes(server):
        assert slot.put(nobody, b"hello", Content_Range=value).status == 400
    assert slot.put(nobody, b"hello").status == 201


def test_expect_is_answered_before_the_body(server, nobody, new):
    slot = new(5)
    with Wire(server) as wire:
        wire.send(slot.head(5, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        wire.send(b"hello")
        assert wire.read_answer().status == 201
    assert nobody.request("GET", slot.target).body == b"hello"


def test_token_that_expires_during_the_upload_was_in_time(server, nobody, owner):
    """Prosody judges it at the begin, too: a slow line is no fault."""
    slot = signed(new_slot(5, jid=owner.jid), "jwt", exp=int(time.time()) + 2)
    with Wire(server) as wire:
        wire.send(slot.head(5, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        time.sleep(2.1)
        wire.send(b"hello")
        assert wire.read_answer().status == 201
    late = signed(new_slot(5, jid=owner.jid), "jwt", exp=int(time.time()))
    assert late.put(nobody, b"hello").status == 403
