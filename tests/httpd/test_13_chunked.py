"""Bodies on the wire: chunks, lengths that lie, and clients that break off."""

import pytest

from client import area_path
from config import Site
from records import assert_nothing_left, wait_until
from wire import Wire, request_head

QUOTA_BYTES = 3 << 20
MAX_FILE_BYTES = 2 << 20
CHUNK = b"10000\r\n" + bytes(0x10000) + b"\r\n"
GONE_SECONDS = 10
SLOW_BODY_SECONDS = 2


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}",
                server_lines=f"RequestReadTimeout body={SLOW_BODY_SECONDS}")


@pytest.mark.valgrind
@pytest.mark.parametrize("chunks", [
    [], [b"x"], [b"hello ", b"world"], [b"a"] * 500, [bytes(65536)] * 16, [bytes(1 << 20)],
], ids=lambda chunks: f"{len(chunks)} chunks")
def test_chunked_upload_is_stored_whole(owner, chunks):
    answer = owner.put_chunked("file", chunks)
    assert answer.status == 201
    assert owner.get("file").body == b"".join(chunks)
    listing = owner.listing()
    assert listing["used_bytes"] == sum(map(len, chunks))
    assert listing["reserved_bytes"] == 0


def test_chunk_extensions_and_trailers_are_no_content(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), "Transfer-Encoding: chunked",
                               client=owner)
                  + b'5;name="value"\r\nhello\r\n000\r\nX-Trailer: yes\r\n\r\n')
        assert wire.read_answer().status == 201
    assert owner.get("file").body == b"hello"


@pytest.mark.parametrize("size_bytes,status", [(MAX_FILE_BYTES, 201), (MAX_FILE_BYTES + 1, 413)])
def test_chunked_upload_is_cut_at_the_file_limit(owner, size_bytes, status):
    assert owner.put_chunked("file", [bytes(size_bytes - 1), b"x"]).status == status
    assert owner.used_bytes() == (size_bytes if status == 201 else 0)
    assert owner.listing()["reserved_bytes"] == 0


@pytest.mark.parametrize("size_bytes,status", [(1 << 20, 201), ((1 << 20) + 1, 507)])
def test_chunked_upload_is_cut_at_the_quota(owner, size_bytes, status):
    owner.put("filler", bytes(2 << 20))
    assert owner.put_chunked("file", [bytes(size_bytes - 1), b"x"]).status == status
    assert owner.used_bytes() == (2 << 20) + (size_bytes if status == 201 else 0)


@pytest.mark.parametrize("filler_bytes,status", [(0, 413), (2 << 20, 507)])
def test_endless_chunks_are_answered_soon_after_the_limit(server, owner, filler_bytes, status):
    owner.put("filler", bytes(filler_bytes))
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), "Transfer-Encoding: chunked",
                               client=owner))
        sent = 0
        while wire.is_silent(0) and sent < 1000:
            wire.send(CHUNK)
            sent += 1
        answer = wire.read_answer()
        assert (answer.status, answer.header("Connection")) == (status, "close")
        assert sent * 0x10000 < MAX_FILE_BYTES + (16 << 20)
    assert owner.used_bytes() == filler_bytes


BAD_CHUNKS = {
    "no number": b"xyz\r\nhello\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "signed": b"+5\r\nhello\r\n0\r\n\r\n",
    "prefixed": b"0x5\r\nhello\r\n0\r\n\r\n",
    "64 bit overflow": b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "wraps to 5": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "30 digits": b"f" * 30 + b"\r\nhello\r\n0\r\n\r\n",
    "empty line": b"\r\nhello\r\n0\r\n\r\n",
    "chunk longer than told": b"5\r\nhello world\r\n0\r\n\r\n",
    "space in the number": b"5 5\r\nhello\r\n0\r\n\r\n",
    "endless size line": b"5" + b";" * 20000,
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunks_are_refused_and_leave_nothing(server, owner, name):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), "Transfer-Encoding: chunked",
                               client=owner) + BAD_CHUNKS[name])
        assert wire.read_answer().status in (400, 413)
        assert wire.is_closed()
    assert_nothing_left(server, owner)


BAD_LENGTHS = {
    "two that differ": ("Content-Length: 5", "Content-Length: 6"),
    "a list that differs": ("Content-Length: 5, 6",),
    "negative": ("Content-Length: -1",),
    "signed": ("Content-Length: +5",),
    "20 digits": ("Content-Length: 99999999999999999999",),
    "2^64": ("Content-Length: 18446744073709551616",),
    "2^64 + 5": ("Content-Length: 18446744073709551621",),
    "hexadecimal": ("Content-Length: 0x5",),
    "a fraction": ("Content-Length: 5.0",),
    "a word": ("Content-Length: five",),
    "nothing": ("Content-Length:",),
    "a space inside": ("Content-Length: 5 5",),
    "unknown coding": ("Transfer-Encoding: gzip",),
    "chunked twice": ("Transfer-Encoding: chunked, chunked",),
    "chunked not last": ("Transfer-Encoding: chunked, gzip",),
}


@pytest.mark.parametrize("name", BAD_LENGTHS)
def test_bad_lengths_are_refused_and_leave_nothing(server, owner, name):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), *BAD_LENGTHS[name],
                               client=owner) + b"hello\r\n")
        assert wire.read_answer().status in (400, 411, 413, 501)
        assert wire.is_closed()
    assert_nothing_left(server, owner)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_length_beside_chunks_never_smuggles_a_request(server, owner, order):
    smuggled = request_head("PUT", area_path(owner.jid, "smuggled"), "Content-Length: 0",
                            client=owner)
    body = b"0\r\n\r\n" + smuggled
    fields = (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")[order]
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), *fields, client=owner) + body)
        # RFC 9112, 6.1: refuse, or believe the chunks; close in both cases.
        assert wire.read_answer().status in (201, 400)
        assert wire.is_closed()
    assert "smuggled" not in [entry["path"] for entry in owner.listing()["files"]]


TRUNCATED = {
    "nothing of 10 bytes": (("Content-Length: 10",), b""),
    "9 of 10 bytes": (("Content-Length: 10",), b"123456789"),
    "half a megabyte of one": (("Content-Length: 1048576",), bytes(1 << 19)),
    "inside a chunk": (("Transfer-Encoding: chunked",), b"a\r\n12345"),
    "between chunks": (("Transfer-Encoding: chunked",), b"5\r\n12345\r\n"),
    "before the last line": (("Transfer-Encoding: chunked",), b"5\r\n12345\r\n0\r\n"),
    "after many chunks": (("Transfer-Encoding: chunked",), CHUNK * 10),
}


@pytest.mark.valgrind
@pytest.mark.parametrize("ending", ["finish_sending", "reset"])
@pytest.mark.parametrize("name", TRUNCATED)
def test_broken_off_upload_leaves_nothing(server, owner, name, ending):
    fields, begin = TRUNCATED[name]
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), *fields, client=owner) + begin)
        getattr(wire, ending)()
        if ending == "finish_sending":
            assert wire.is_closed() or wire.read_answer().status == 400
    assert_nothing_left(server, owner)


def test_broken_off_replacement_keeps_the_old_file(server, owner):
    link = owner.put("file", b"old").link
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), "Content-Length: 100000",
                               client=owner) + bytes(50000))
        wire.reset()
    wait_until(lambda: owner.listing()["reserved_bytes"] == 0, GONE_SECONDS, "a promise is left")
    assert owner.open_link(link).body == b"old"


def test_body_slower_than_allowed_is_408_and_leaves_nothing(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "file"), "Content-Length: 100",
                               client=owner) + b"x")
        assert wire.read_answer().status == 408
        assert wire.is_closed()
    assert_nothing_left(server, owner)


def test_pipelined_uploads_are_all_stored(server, owner):
    with Wire(server) as wire:
        wire.send(b"".join(
            request_head("PUT", area_path(owner.jid, f"{number}"), "Content-Length: 1",
                         client=owner) + b"%d" % number for number in range(5)))
        assert [wire.read_answer().status for _ in range(5)] == [201] * 5
    assert [owner.get(f"{number}").body for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
