"""Large bodies over a plain connection, which the module takes from the socket itself: every byte,
every limit and every timeout as if httpd had read them."""

import base64
import concurrent.futures
import hashlib
import os
import time

import pytest

from client import area_path
from config import Site
from records import Records, assert_nothing_left, wait_until
from wire import Wire, request_head

MEBIBYTE = 1 << 20
QUOTA_BYTES = 64 * MEBIBYTE
# Where something changes: reads of httpd, what counts as a large body or piece, buffers, pipes.
EDGES = (8000, 16384, 64 << 10, 128 << 10, 256 << 10, MEBIBYTE)
SIZES = [edge + more for edge in EDGES for more in (-1, 0, 1)] + [5 * MEBIBYTE + 12345]
CROWD = 24
# Descriptors of the pipes that a process keeps for the next upload.
KEPT_ENDS = 8
GONE_SECONDS = 10
STALL_SECONDS = 2


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\nJabberFilesMaxFileSize unlimited",
                server_lines='CustomLog logs/received.log "%I %U"', single_child=True)


def content_of(seed, size_bytes):
    """Bytes in which any piece that is lost, doubled or moved shows."""
    return hashlib.shake_128(b"%d" % seed).digest(size_bytes)


def put_head(owner, path, *fields):
    return request_head("PUT", area_path(owner.jid, path), *fields, client=owner)


def put_known(owner, path, content, *fields):
    """The bytes of a request."""
    return put_head(owner, path, f"Content-Length: {len(content)}", *fields) + content


def chunked(content, sizes):
    """`content` in chunks of these sizes, again and again."""
    parts, begin, turn = [], 0, 0
    while begin < len(content):
        chunk = content[begin:begin + sizes[turn % len(sizes)]]
        parts.append(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        begin, turn = begin + len(chunk), turn + 1
    return b"".join([*parts, b"0\r\n\r\n"])


def digest_field(content):
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
    return f"Repr-Digest: sha-256=:{digest}:"


def passed_through(server):
    """How many bytes the child has read and written by itself so far."""
    pid = server.children()[0]
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        numbers = dict(line.split(": ") for line in file)
    return int(numbers["rchar"]) + int(numbers["wchar"])


def pipe_ends(server):
    """How many descriptors of pipes the child has."""
    directory = f"/proc/{server.children()[0]}/fd"
    links = []
    for entry in os.listdir(directory):
        try:
            links.append(os.readlink(f"{directory}/{entry}"))
        except FileNotFoundError:
            pass
    return sum(link.startswith("pipe:") for link in links)


# ---- every byte ----


@pytest.mark.parametrize("fields", [(), ("digest",)], ids=["", "digest"])
@pytest.mark.parametrize("size_bytes", SIZES)
def test_body_of_known_length_is_stored_whole(server, owner, size_bytes, fields):
    content = content_of(size_bytes, size_bytes)
    fields = (digest_field(content),) if fields else ()
    with Wire(server) as wire:
        wire.send(put_known(owner, "file", content, *fields))
        assert wire.read_answer().status == 201
    assert owner.get("file").body == content


CHUNK_SIZES = {
    "what curl sends": (65524,),
    "just below a large piece": (16383,),
    "a large piece": (16384,),
    "as httpd reads": (8000,),
    "megabytes": (2 * MEBIBYTE + 1,),
    "all kinds": (1, 3 * MEBIBYTE, 7, 16385, 1, 1, 300000, 8001),
}


@pytest.mark.parametrize("name", CHUNK_SIZES)
@pytest.mark.parametrize("with_digest", [False, True])
def test_chunked_body_is_stored_whole(server, owner, name, with_digest):
    content = content_of(1, 4 * MEBIBYTE + 321)
    fields = ("Transfer-Encoding: chunked", *([digest_field(content)] if with_digest else ()))
    with Wire(server) as wire:
        wire.send(put_head(owner, "file", *fields) + chunked(content, CHUNK_SIZES[name]))
        assert wire.read_answer().status == 201
    assert owner.get("file").body == content


@pytest.mark.valgrind
@pytest.mark.parametrize("kind", ["known", "chunked"])
def test_body_in_odd_pieces_with_pauses_is_stored_whole(server, owner, kind):
    content = content_of(2, MEBIBYTE)
    request = put_known(owner, "file", content) if kind == "known" else \
        put_head(owner, "file", "Transfer-Encoding: chunked") + chunked(content, (100000, 1, 50000))
    pieces = (100, 70000, 1, 8000, 262144, 3, 65536, 17)
    with Wire(server) as wire:
        begin, turn = 0, 0
        while begin < len(request):
            piece = request[begin:begin + pieces[turn % len(pieces)]]
            wire.send(piece)
            time.sleep(0.02)
            begin, turn = begin + len(piece), turn + 1
        assert wire.read_answer().status == 201
    assert owner.get("file").body == content


def test_accepted_upload_gets_100_before_its_body(server, owner):
    content = content_of(3, 3 * MEBIBYTE)
    with Wire(server) as wire:
        wire.send(put_head(owner, "file", f"Content-Length: {len(content)}",
                           "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        wire.send(content)
        assert wire.read_answer().status == 201
    assert owner.get("file").body == content


@pytest.mark.parametrize("kind", ["known", "chunked"])
def test_requests_right_behind_a_body_are_answered(server, owner, kind):
    first, second = content_of(4, MEBIBYTE + 77), content_of(5, 2 * MEBIBYTE)
    upload = put_known(owner, "first", first) if kind == "known" else \
        put_head(owner, "first", "Transfer-Encoding: chunked") + chunked(first, (300000,))
    look = request_head("GET", area_path(owner.jid, "first"), client=owner)
    with Wire(server) as wire:
        wire.send(upload + look + put_known(owner, "second", second) + look)
        assert wire.read_answer().status == 201
        assert wire.read_answer("GET").body == first
        assert wire.read_answer().status == 201
        assert wire.read_answer("GET").body == first
    assert owner.get("second").body == second


def test_connection_takes_uploads_of_all_kinds_in_turn(server, owner):
    with Wire(server) as wire:
        for turn in range(3):
            contents = [content_of(turn * 10 + number, size_bytes)
                        for number, size_bytes in enumerate((2 * MEBIBYTE, 10, MEBIBYTE, 300000))]
            kept, small, checked, cut = contents
            for request in (put_known(owner, "0", kept), put_known(owner, "1", small),
                            put_known(owner, "2", checked, digest_field(checked)),
                            put_head(owner, "3", "Transfer-Encoding: chunked")
                            + chunked(cut, (100000,))):
                wire.send(request)
                assert wire.read_answer().status == (200 if turn else 201)
            for number, content in enumerate(contents):
                wire.send(request_head("GET", area_path(owner.jid, f"{number}"), client=owner))
                assert wire.read_answer("GET").body == content


def test_more_uploads_than_pipes_at_the_same_time(server, log, new_owner):
    log.allow("AH00484")  # more clients than threads: that is the point
    contents = [content_of(number, 3 * MEBIBYTE + number) for number in range(CROWD)]

    def put(content):
        owner = new_owner()
        status = owner.put("file", content).status
        # There are more clients than threads, so httpd may close what is only kept.
        owner.close()
        return owner, status

    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        for (owner, status), content in zip(pool.map(put, contents), contents):
            assert status == 201
            assert owner.get("file").body == content


# ---- how ----


def test_content_does_not_come_into_the_process(server, owner):
    content = content_of(6, 16 * MEBIBYTE)
    before = passed_through(server)
    assert owner.put("file", content).status == 201
    assert passed_through(server) - before < len(content) / 8
    assert owner.get("file").body == content


def test_uploads_that_wait_have_no_pipe(server, new_owner):
    owners = [new_owner() for _ in range(CROWD // 2)]
    before = pipe_ends(server)
    wires = [Wire(server) for _ in owners]
    for wire, owner in zip(wires, owners):
        wire.send(put_head(owner, "file", f"Content-Length: {MEBIBYTE}") + bytes(MEBIBYTE // 2))
    wait_until(lambda: len(Records(server).promised_objects()) == len(owners), GONE_SECONDS,
               "some upload has not begun")
    wait_until(lambda: pipe_ends(server) <= before + KEPT_ENDS, GONE_SECONDS, "pipes are held")
    for wire in wires:
        with wire:
            wire.send(bytes(MEBIBYTE // 2))
            assert wire.read_answer().status == 201
    assert pipe_ends(server) <= before + KEPT_ENDS


# ---- what ends an upload ----


@pytest.mark.parametrize("with_length", [True, False])
def test_wrong_digest_is_refused_and_leaves_nothing(server, owner, with_length):
    content = content_of(7, 2 * MEBIBYTE)
    field = digest_field(content[:-1] + b"x")
    request = put_known(owner, "file", content, field) if with_length else \
        put_head(owner, "file", "Transfer-Encoding: chunked", field) + chunked(content, (70000,))
    with Wire(server) as wire:
        wire.send(request)
        assert wire.read_answer().status == 400
    assert_nothing_left(server, owner)


@pytest.mark.valgrind
@pytest.mark.parametrize("ending", ["finish_sending", "reset"])
@pytest.mark.parametrize("fields", [(), ("digest",)], ids=["", "digest"])
def test_broken_off_upload_leaves_nothing_and_gives_its_quota_back(server, owner, ending, fields):
    content = content_of(8, QUOTA_BYTES // 8)
    fields = (digest_field(content),) if fields else ()
    with Wire(server) as wire:
        wire.send(put_head(owner, "file", f"Content-Length: {QUOTA_BYTES}", *fields) + content)
        getattr(wire, ending)()
        if ending == "finish_sending":
            assert wire.is_closed() or wire.read_answer().status == 400
    assert_nothing_left(server, owner)
    assert owner.put("file", bytes(QUOTA_BYTES)).status == 201


def test_chunked_upload_is_cut_at_the_quota(server, owner):
    owner.put("filler", bytes(QUOTA_BYTES - 3 * MEBIBYTE))
    assert owner.put_chunked("file", [bytes(MEBIBYTE)] * 3 + [b"x"]).status == 507
    assert owner.put_chunked("file", [bytes(MEBIBYTE)] * 3).status == 201
    Records(server).assert_consistent()


def test_broken_chunk_behind_a_large_one_is_refused(server, owner):
    with Wire(server) as wire:
        wire.send(put_head(owner, "file", "Transfer-Encoding: chunked")
                  + b"%x\r\n" % MEBIBYTE + bytes(MEBIBYTE) + b"xy\r\n")
        assert wire.read_answer().status == 400
        assert wire.is_closed()
    assert_nothing_left(server, owner)


def test_client_that_stalls_meets_the_timeout(start_server, users):
    server = start_server(Site(server_lines=f"Timeout {STALL_SECONDS}"))
    owner = users.client(server)
    with Wire(server) as wire:
        wire.send(put_head(owner, "file", f"Content-Length: {MEBIBYTE}") + bytes(MEBIBYTE // 2))
        begin = time.monotonic()
        assert wire.read_answer().status == 408
        assert time.monotonic() - begin > STALL_SECONDS * 0.9
        assert wire.is_closed()
    assert_nothing_left(server, owner)


@pytest.fixture
def hurried_server(start_server):
    """Wants 100 kB/s from the third second on."""
    return start_server(Site(server_lines=f"RequestReadTimeout body={STALL_SECONDS},"
                                          "MinRate=100000"))


def trickle(wire, total_bytes, bytes_per_s):
    """Sends zeros at a rate, until something is answered."""
    piece_bytes, sent_bytes = bytes_per_s // 10, 0
    while sent_bytes < total_bytes and wire.is_silent(0.1):
        wire.send(bytes(min(piece_bytes, total_bytes - sent_bytes)))
        sent_bytes += piece_bytes
    return sent_bytes


def test_body_slower_than_the_least_rate_is_408(hurried_server, users):
    owner = users.client(hurried_server)
    with Wire(hurried_server) as wire:
        wire.send(put_head(owner, "file", f"Content-Length: {MEBIBYTE}"))
        assert trickle(wire, MEBIBYTE, 20000) < MEBIBYTE / 2
        assert wire.read_answer().status == 408
    assert_nothing_left(hurried_server, owner)


def test_body_as_fast_as_the_least_rate_may_take_long(hurried_server, users):
    owner = users.client(hurried_server)
    begin = time.monotonic()
    with Wire(hurried_server) as wire:
        wire.send(put_head(owner, "file", f"Content-Length: {4 * MEBIBYTE}"))
        trickle(wire, 4 * MEBIBYTE, MEBIBYTE)
        assert wire.read_answer().status == 201
    assert time.monotonic() - begin > STALL_SECONDS * 1.5


# ---- other modules ----


def received_bytes(server, path):
    """What mod_logio has counted for a request, as soon as it is logged."""
    log = server.root / "logs" / "received.log"
    lines = wait_until(lambda: [line for line in log.read_text("utf-8").splitlines()
                                if line.endswith(path)], GONE_SECONDS, "no line in the log")
    assert len(lines) == 1
    return int(lines[0].split()[0])


@pytest.mark.parametrize("kind", ["known", "chunked", "digest"])
def test_mod_logio_counts_every_byte(server, owner, kind):
    content = content_of(9, 2 * MEBIBYTE + 5)
    request = {
        "known": lambda: put_known(owner, kind, content),
        "chunked": lambda: put_head(owner, kind, "Transfer-Encoding: chunked")
        + chunked(content, (200000,)),
        "digest": lambda: put_known(owner, kind, content, digest_field(content)),
    }[kind]()
    with Wire(server) as wire:
        wire.send(request)
        assert wire.read_answer().status == 201
    assert received_bytes(server, f"{owner.jid}/{kind}") == len(request)


FOREIGN_FILTERS = {
    "mod_dumpio": Site(modules=("dumpio",), server_lines="DumpIOInput On\nLogLevel dumpio:trace7"),
    "mod_buffer": Site(modules=("buffer",), base_lines="SetInputFilter BUFFER"),
    "no other filter": Site(server_lines="RequestReadTimeout header=0 body=0"),
}


@pytest.mark.parametrize("name", FOREIGN_FILTERS)
def test_other_filters_get_the_same_bytes(start_server, users, name):
    server = start_server(FOREIGN_FILTERS[name])
    owner = users.client(server)
    for size_bytes in (200_000, MEBIBYTE + 3):
        content = content_of(10, size_bytes)
        assert owner.put("file", content).status in (200, 201)
        assert owner.get("file").body == content
        assert owner.put_chunked("file", [content, b"end"]).status == 200
        assert owner.get("file").body == content + b"end"


def test_prefork(start_server, users):
    server = start_server(Site(mpm="prefork"))
    owner, content = users.client(server), content_of(11, 3 * MEBIBYTE)
    assert owner.put("file", content).status == 201
    assert owner.get("file").body == content
