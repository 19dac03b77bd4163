"""A slot is for one upload: afterwards it stays used, whatever became of the file; and an upload
that fails does not use it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from admin import Admin, ledger_editor
from client import Client
from records import wait_until
from slots import (KINDS, assert_refused_before_its_body, assert_settled, delete, grant,
                   grant_ejabberd, nothing_changes, sha1_of, signed, site_with_slots)
from wire import Wire

CONTENT = bytes(range(256)) * 400
SWEPT_SECONDS = 25


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir)


@pytest.fixture(params=(*KINDS, "ejabberd"))
def slot(request, owner):
    """A slot for CONTENT, of each kind."""
    return new_grant(request.param, owner)


def new_grant(kind, owner):
    if kind == "ejabberd":
        return grant_ejabberd(len(CONTENT), sha1_of(owner.jid))
    return grant(kind, len(CONTENT), jid=owner.jid)


@pytest.fixture
def edit(server):
    return ledger_editor(server)


def expire_file(edit, slot):
    edit("UPDATE file SET expires_us = ? WHERE token = ?", (int(time.time()) - 1) * 10**6,
         slot.random)


# Used


def test_second_upload_is_409_before_its_body(server, nobody, slot):
    assert slot.put(nobody, CONTENT).status == 201
    with nothing_changes(server):
        assert slot.put(nobody, CONTENT).status == 409
        assert_refused_before_its_body(server, slot, 409)
    assert nobody.request("GET", slot.target).body == CONTENT


def test_second_upload_with_another_valid_token_is_409(nobody, owner):
    """The path is the slot, not the token: whoever signs it, and for whatever size."""
    slot = new_grant("v1", owner)
    assert slot.put(nobody, CONTENT).status == 201
    for kind in KINDS:
        assert signed(slot, kind).put(nobody, CONTENT).status == 409
        assert signed(slot.but(size_bytes=1), kind).put(nobody, b"x").status == 409
    assert nobody.request("GET", slot.target).body == CONTENT


def test_slot_stays_used_after_delete(server, nobody, owner):
    slot = new_grant("jwt", owner)
    slot.put(nobody, CONTENT)
    assert owner.delete(owner.listing()["files"][0]["path"]).status == 204
    assert_used_up(server, nobody, slot)


def test_slot_stays_used_after_metronomes_delete(server, nobody, owner):
    slot = new_grant("token", owner)
    slot.put(nobody, CONTENT)
    assert delete(nobody, slot).status == 204
    assert_used_up(server, nobody, slot)


@pytest.mark.parametrize("kind,area", [("v1", "slots:v1"), ("v2", "slots:v2"),
                                       ("ejabberd", "sha1:{sha1}"), ("jwt", "{jid}")])
def test_slot_stays_used_after_its_area_was_removed(server, nobody, owner, kind, area):
    slot = new_grant(kind, owner)
    slot.put(nobody, CONTENT)
    name = area.format(jid=owner.jid, sha1=sha1_of(owner.jid))
    Admin(server)("remove-area", "--yes", name)
    assert_used_up(server, nobody, slot)


def assert_used_up(server, nobody, slot):
    with nothing_changes(server):
        for method in ("GET", "HEAD"):
            assert nobody.request(method, slot.target).status == 404
        assert slot.put(nobody, CONTENT).status == 409
        assert_refused_before_its_body(server, slot, 409)


def test_slot_stays_used_after_its_file_expired_and_was_swept(server, nobody, owner, edit, records):
    slots = [new_grant(kind, owner) for kind in (*KINDS, "ejabberd")]
    for slot in slots:
        assert slot.put(nobody, CONTENT).status == 201
        expire_file(edit, slot)
        assert nobody.request("GET", slot.target).status == 404
        assert slot.put(nobody, CONTENT).status == 409
    for slot in slots:
        wait_until(lambda token=slot.random: not records.query(
            "SELECT 1 FROM file WHERE token = ?", token), SWEPT_SECONDS, "the file is not swept")
    assert_settled(server)
    for slot in slots:
        assert_used_up(server, nobody, slot)


def test_slot_stays_used_over_a_restart(start_server, site, owner):
    server = start_server(site)
    slots = [new_grant(kind, owner) for kind in KINDS]
    for slot in slots:
        assert slot.put(Client(server), CONTENT).status == 201
    server.restart()
    for slot in slots:
        assert slot.put(Client(server), CONTENT).status == 409


# Several uploads at once


def finish_at_once(wires, last_byte):
    """Sends what is missing on all connections in one moment; the answers' statuses."""
    gate = threading.Barrier(len(wires))

    def finish(wire):
        gate.wait()
        wire.send(last_byte)
        return wire.read_answer().status

    with ThreadPoolExecutor(len(wires)) as pool:
        return list(pool.map(finish, wires))


@pytest.mark.parametrize("count", [2, 8])
def test_of_parallel_uploads_exactly_one_wins(server, nobody, slot, count):
    wires = [Wire(server) for _ in range(count)]
    contents = [bytes([number]) * len(CONTENT) for number in range(count)]
    for wire, content in zip(wires, contents):
        wire.send(slot.head(len(CONTENT), "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        # All are in flight together: none is refused at its begin.
        wire.send(content[:-1])
    statuses = finish_at_once(wires, b"!")
    assert sorted(statuses) == [201] + [409] * (count - 1)
    winner = contents[statuses.index(201)]
    assert nobody.request("GET", slot.target).body == winner[:-1] + b"!"
    assert_settled(server)


def test_parallel_uploads_from_the_first_byte_on(server, nobody, owner):
    slots = [new_grant("v1", owner) for _ in range(10)]
    for slot in slots:
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _, slot=slot: put_alone(server, slot), range(8)))
        assert sorted(statuses) == [201] + [409] * 7
        assert nobody.request("GET", slot.target).body == CONTENT
    assert_settled(server)


def put_alone(server, slot):
    with Wire(server) as wire:
        wire.send(slot.head(len(CONTENT)) + CONTENT)
        return wire.read_answer().status


def test_loser_does_not_count_in_the_quota(server, owner):
    slot = new_grant("jwt", owner)
    wires = [Wire(server) for _ in range(3)]
    for wire in wires:
        wire.send(slot.head(len(CONTENT)) + CONTENT[:-1])
    wait_until(lambda: owner.listing()["reserved_bytes"] == 3 * len(CONTENT), 10, "not in flight")
    assert sorted(finish_at_once(wires, b"!")) == [201, 409, 409]
    listing = owner.listing()
    assert (listing["used_bytes"], len(listing["files"])) == (len(CONTENT), 1)
    assert_settled(server)
    assert owner.listing()["reserved_bytes"] == 0


# Broken off, as QXmpp repeats it


@pytest.mark.parametrize("sent_bytes", [0, 1, len(CONTENT) // 2, len(CONTENT) - 1])
def test_upload_can_be_repeated_after_the_connection_broke(server, nobody, slot, sent_bytes):
    for break_off in (Wire.reset, Wire.finish_sending, Wire.reset):
        with Wire(server) as wire:
            wire.send(slot.head(len(CONTENT)) + CONTENT[:sent_bytes])
            break_off(wire)
        # At once, whether the server has noticed or not.
        assert nobody.request("GET", slot.target).status == 404
    assert slot.put(nobody, CONTENT).status == 201
    assert nobody.request("GET", slot.target).body == CONTENT
    assert_settled(server)


def test_repeat_wins_against_a_connection_that_hangs(server, nobody, slot):
    with Wire(server) as hanging:
        hanging.send(slot.head(len(CONTENT), "Expect: 100-continue"))
        assert hanging.read_answer().status == 100
        hanging.send(CONTENT[:-1])
        assert slot.put(nobody, CONTENT).status == 201
        hanging.send(CONTENT[-1:])
        assert hanging.read_answer().status == 409
    assert_settled(server)


def test_refused_upload_does_not_use_the_slot(server, nobody, slot):
    with nothing_changes(server):
        for fields, status in (({"Content_Range": "bytes 0-9/20"}, 400),
                               ({"Content_Encoding": "gzip"}, 415),
                               ({"Repr_Digest": "sha-256=nonsense"}, 400)):
            assert slot.put(nobody, CONTENT, **fields).status == status
    wrong_digest = "sha-256=:" + "A" * 43 + "=:"
    assert slot.put(nobody, CONTENT, Repr_Digest=wrong_digest).status == 400
    assert nobody.request("GET", slot.target).status == 404
    assert slot.put(nobody, CONTENT).status == 201


def test_replayed_token_is_for_its_own_path_only(nobody, slot):
    assert slot.put(nobody, CONTENT).status == 201
    other = slot.but(name="other.jpg", encoded="other.jpg")
    # The same slot with another name: wrong token first, used slot if the token were right.
    assert other.put(nobody, CONTENT).status == 403
    assert nobody.request("GET", other.target).status == 404
