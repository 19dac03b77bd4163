"""A link that was just opened is remembered by each process of httpd. Whatever is done to its file
must show at the next GET, in all of them, whoever did it."""

import hashlib
import time

import pytest

from admin import Admin, ledger_editor
from client import Client
from config import Site, base_location
from records import Records

CONNECTIONS = 12  # enough for every process to have some
LIFE_SECONDS = 2
ROUNDS = 150


@pytest.fixture(scope="module")
def site(users):
    # Nothing else is written to the ledger while a test looks, so that what is remembered stays.
    return Site(base_lines="JabberFilesMeter Off",
                server_lines=base_location("/brief", users.path,
                                           f"JabberFilesMeter Off\nJabberFilesExpire {LIFE_SECONDS}"))


@pytest.fixture
def readers(server):
    """Clients on connections of their own, over all processes."""
    clients = [Client(server) for _ in range(CONNECTIONS)]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def link(owner, readers):
    """A link that every process has just opened, more than once."""
    made = owner.put("a.txt", b"first", {"Content-Type": "text/plain"}).link
    for _ in range(3):
        assert [answer.body for answer in opened(readers, made)] == [b"first"] * CONNECTIONS
    return made


def opened(readers, link):
    """The answers of all connections."""
    return [reader.open_link(link) for reader in readers]


def statuses(readers, link):
    return {answer.status for answer in opened(readers, link)}


def test_file_that_is_removed(owner, readers, link):
    assert owner.delete("a.txt").status == 204
    assert statuses(readers, link) == {404}


def test_file_that_the_operator_removes(owner, server, readers, link):
    Admin(server)("rm", owner.jid, "a.txt")
    assert statuses(readers, link) == {404}


def test_area_that_the_operator_removes(owner, server, readers, link):
    Admin(server)("remove-area", "--yes", owner.jid)
    assert statuses(readers, link) == {404}


def test_file_that_is_replaced(owner, readers, link):
    """Also its type and validators; and a refused upload changes nothing."""
    before = {answer.header("ETag") for answer in opened(readers, link)}
    assert owner.put("a.txt", b"x", {"If-None-Match": "*"}).status == 412
    assert {answer.body for answer in opened(readers, link)} == {b"first"}
    assert owner.put("a.txt", b"second one", {"Content-Type": "image/png"}).status == 200
    answers = opened(readers, link)
    assert {answer.body for answer in answers} == {b"second one"}
    assert {answer.header("Content-Type") for answer in answers} == {"image/png"}
    assert not before & {answer.header("ETag") for answer in answers}


def test_ledger_that_another_program_changes(owner, server, readers, link):
    stored = Records(server).object_of(owner.jid, "a.txt").name
    ledger_editor(server)("UPDATE file SET media_type = 'audio/ogg' WHERE object = ?", stored)
    assert {answer.header("Content-Type") for answer in opened(readers, link)} == {"audio/ogg"}


def test_log_that_another_program_empties(owner, server, readers, link):
    checkpoint = ledger_editor(server)
    for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
        checkpoint(f"PRAGMA wal_checkpoint({mode})")
        assert {answer.body for answer in opened(readers, link)} == {b"first"}
        assert owner.put("a.txt", mode.encode()).status == 200
        assert {answer.body for answer in opened(readers, link)} == {mode.encode()}
        assert owner.put("a.txt", b"first").status == 200
        assert {answer.body for answer in opened(readers, link)} == {b"first"}


def test_every_upload_shows_at_once(owner, readers, link):
    """Each connection, right after the answer to the upload, while others keep asking."""
    for i in range(ROUNDS):
        content = b"round %d" % i
        assert owner.put("a.txt", content).status == 200
        some = [readers[(i + k) % CONNECTIONS] for k in range(4)]
        assert [answer.body for answer in opened(some, link)] == [content] * 4


def test_link_ends_in_time(users, server, readers):
    owner = users.client(server, base="/brief")
    link = owner.put("a.txt", b"brief").link
    assert statuses(readers, link) == {200}
    assert statuses(readers, link) == {200}
    time.sleep(LIFE_SECONDS + 0.1)
    assert statuses(readers, link) == {404}


def test_link_with_another_name_stays_unknown(readers, link):
    assert statuses(readers, link.replace("a.txt", "b.txt")) == {404}
    assert statuses(readers, link) == {200}


# Small files come out of memory, larger ones from the file.


@pytest.mark.parametrize("size", (0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_000))
def test_content_of_every_size(owner, nobody, size):
    content = hashlib.shake_128(b"%d" % size).digest(size)
    link = owner.put("sized.bin", content).link
    for _ in range(2):
        answer = nobody.open_link(link)
        assert (answer.status, answer.body) == (200, content)
        assert int(answer.header("Content-Length")) == size
        # httpd takes a length of 0 away from the answer to HEAD.
        length = nobody.open_link(link, "HEAD").header("Content-Length")
        assert length == (str(size) if size else None)
        tag = answer.header("ETag")
        assert nobody.open_link(link, headers={"If-None-Match": tag}).status == 304
        assert owner.get("sized.bin", {"If-Match": '"other"'}).status == 412
        assert nobody.open_link(
            link, headers={"If-Modified-Since": answer.header("Last-Modified")}).status == 304


@pytest.mark.parametrize("size", (10, 50_000))
def test_object_that_has_shrunk_is_not_sent(owner, nobody, records, log, size):
    link = owner.put("shrunk.bin", bytes(size)).link
    assert nobody.open_link(link).status == 200
    stored = records.object_of(owner.jid, "shrunk.bin")
    stored.write_bytes(bytes(size - 1))
    assert nobody.open_link(link).status == 500
    log.expect("JF0020")
