"""The same over HTTPS, with HTTP/1.1 and HTTP/2."""

import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from answer import assert_problem, assert_safe_headers
from client import area_path
from config import Site
from curl import Curl
from records import Records, wait_until
from wire_http2 import Http2Wire

MAX_FILE_BYTES = 30 << 20
QUOTA_BYTES = 40 << 20
GONE_SECONDS = 10
HTTP2_NO_ERROR = 0
# As mod_http2 logs what it is asked for (AP_MODE_READBYTES, and whether to wait), and what it gives.
READ_OF_CONTENT = re.compile(r"h2_c2_in\(.*: read, mode=0, block=(\d)")
DATA = re.compile(r"h2_c2_in\(.*: [1-9]\d* data bytes")
WAITS, LOOKS, FINDS = "W", "L", "F"
APR_BLOCK_READ = "0"


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs, http2=True,
                base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}")


@pytest.fixture(params=[("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")], ids=["1.1", "2"])
def secure_curl(request, server, owner):
    """curl with the owner's login, and a check that it speaks the version asked for."""
    option, version = request.param

    def run(*args, login=True, **more):
        answer = Curl(server, owner if login else None)(option, *args, **more)
        assert answer.version == version
        return answer

    return run


@pytest.mark.parametrize("size_bytes", [0, 1, 100_000, 20 << 20])
def test_upload_and_download(secure_curl, owner, tmp_path, size_bytes):
    content = (bytes(range(256)) * (size_bytes // 256 + 1))[:size_bytes]
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    answer = secure_curl("-T", photo, area_path(owner.jid))
    assert answer.status == 201
    assert answer.link.startswith("https://127.0.0.1:")
    assert answer.text == answer.link + "\n"
    assert secure_curl(answer.link, login=False).body == content
    assert secure_curl(area_path(owner.jid, "photo.jpg")).body == content
    assert_safe_headers(answer)


def test_upload_of_unknown_length(secure_curl, owner):
    content = bytes(range(256)) * 5000
    assert secure_curl("-T", "-", area_path(owner.jid, "x"), body=content).status == 201
    assert secure_curl(area_path(owner.jid, "x")).body == content


def test_range_and_conditions(secure_curl, owner):
    link = secure_curl("-T", "-", area_path(owner.jid, "x"), body=b"0123456789").link
    part = secure_curl("-r", "2-4", link, login=False)
    assert (part.status, part.body) == (206, b"234")
    tag = part.header("ETag")
    assert secure_curl("-H", f"If-None-Match: {tag}", link, login=False).status == 304
    assert secure_curl("-T", "-", "-H", f"If-Match: {tag}", area_path(owner.jid, "x"),
                       body=b"other").status == 200
    assert secure_curl(link, login=False).body == b"other"


@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
def test_refusals_end_the_upload_over_tls(server, owner, tmp_path, expect):
    big, bigger = tmp_path / "big", tmp_path / "bigger"
    big.write_bytes(bytes(MAX_FILE_BYTES))
    bigger.write_bytes(bytes(MAX_FILE_BYTES + 1))
    options = ("--http1.1", "-H", expect, "-H", "Accept: application/json", "-T")
    curl = Curl(server, owner)
    assert_problem(curl(*options, bigger, area_path(owner.jid, "a")), 413)
    assert curl(*options, big, area_path(owner.jid, "a")).status == 201
    answer = curl(*options, big, area_path(owner.jid, "b"))
    assert_problem(answer, 507)
    assert_safe_headers(answer)
    assert Curl(server)(*options, big, area_path(owner.jid, "b")).status == 401
    assert_only_file(owner, "a")


def assert_only_file(owner, path):
    listing = owner.listing()
    assert [entry["path"] for entry in listing["files"]] == [path]
    assert listing["reserved_bytes"] == 0


@pytest.mark.parametrize("fields", [{}, {"expect": "100-continue"}], ids=["plain", "expect"])
def test_http2_refusal_comes_before_any_byte(server, owner, fields):
    owner.put("a", bytes(MAX_FILE_BYTES))
    cases = ((area_path(owner.jid, "b"), MAX_FILE_BYTES + 1, {}, 413),
             (area_path(owner.jid, "b"), MAX_FILE_BYTES, {}, 507),
             (area_path(owner.jid, "b/"), 10, {}, 405),
             (area_path(owner.jid, "a"), 10, {"if_none_match": "*"}, 412),
             (area_path("alice@example.org", "b"), 10, {}, 403))
    for target, length_bytes, condition, status in cases:
        with Http2Wire(server) as wire:
            wire.put(target, length_bytes, owner, **fields, **condition)
            assert wire.read_status() == status
            assert wire.read_to_the_end() in (None, HTTP2_NO_ERROR)
    assert_only_file(owner, "a")


def test_http2_upload_gets_100_before_its_body(server, owner):
    with Http2Wire(server) as wire:
        wire.put(area_path(owner.jid, "a"), 5, owner, expect="100-continue")
        assert wire.read_status() == 100
        wire.send_body(b"hello")
        assert wire.read_status() == 201
    assert owner.get("a").body == b"hello"


def test_http2_length_that_differs_from_the_content_leaves_nothing(server, owner):
    for content in (b"1234", b"123456"):
        with Http2Wire(server) as wire:
            wire.put(area_path(owner.jid, "a"), 5, owner)
            wire.send_body(content)
            try:
                assert wire.read_status() == 400
            except EOFError:
                pass
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), GONE_SECONDS, "a promise is left")
    assert owner.listing()["files"] == []


def test_delete_and_list(secure_curl, owner):
    secure_curl("-T", "-", area_path(owner.jid, "x"), body=b"x")
    assert "x" in secure_curl(area_path(owner.jid)).text
    assert secure_curl("-X", "DELETE", area_path(owner.jid, "x")).status == 204
    assert secure_curl(area_path(owner.jid, "x")).status == 404


def test_many_streams_of_one_connection(server, owner, tmp_path):
    files = []
    for number in range(30):
        files.append(tmp_path / f"{number}.bin")
        files[-1].write_bytes(bytes([number]) * (10_000 * number))
    names = "{" + ",".join(map(str, files)) + "}"
    answer = Curl(server, owner)("--http2", "--parallel", "-T", names, area_path(owner.jid))
    assert answer.status == 201
    for number in range(30):
        assert owner.get(f"{number}.bin").body == bytes([number]) * (10_000 * number)
    assert owner.used_bytes() == 10_000 * sum(range(30))


def reads_of_content(lines):
    """What a handler does: L looks, W waits, each with an F if it finds something."""
    for line in lines:
        read = READ_OF_CONTENT.search(line)
        if read:
            yield WAITS if read[1] == APR_BLOCK_READ else LOOKS
        elif DATA.search(line):
            yield FINDS


def test_http2_upload_waits_only_where_nothing_has_come(start_server, users, certs, tmp_path, log):
    """To wait is to be woken by another thread, and costs more than the bytes."""
    server = start_server(Site(certificates=certs, http2=True,
                               server_lines="LogLevel http2:trace3"))
    user = users.client(server)
    content = os.urandom(1 << 20) * 20
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    assert Curl(server, user)("--http2", "-T", photo, area_path(user.jid)).status == 201
    reads = "".join(reads_of_content(log.collect()))
    assert LOOKS + FINDS in reads
    # It looks before it waits, and where a look has found something it looks twice.
    assert not re.search("WF?W", reads)
    assert "LFW" not in reads
    assert "LFLW" not in reads
    assert user.get("photo.jpg").body == content


def test_quota_holds_over_parallel_connections(server, owner):
    def upload(number):
        with Http2Wire(server) as wire:
            wire.put(area_path(owner.jid, f"{number}"), 6 << 20, owner, expect="100-continue")
            gate.wait()
            status = wire.read_status()
            # Nobody gives its room back before all have asked.
            gate.wait()
            return status

    gate = threading.Barrier(10)
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(upload, range(10)))
    assert sorted(statuses) == [100] * (QUOTA_BYTES // (6 << 20)) + [507] * 4
    records = Records(server)
    wait_until(lambda: not records.promised_objects(), GONE_SECONDS, "a promise is left")


def test_broken_off_stream_leaves_nothing(server, owner):
    records = Records(server)
    with subprocess.Popen(["curl", "-q", "-sS", "--http2", "-T", "-",
                           "--cacert", str(server.site.certificates.ca),
                           "-u", f"{owner.jid}:{owner.password}",
                           server.url(area_path(owner.jid, "x"))], stdin=subprocess.PIPE) as slow:
        slow.stdin.write(bytes(1 << 20))
        slow.stdin.flush()
        wait_until(records.promised_objects, GONE_SECONDS, "the upload has not begun")
        slow.kill()
    wait_until(lambda: not records.promised_objects(), GONE_SECONDS, "a promise is left")
    wait_until(lambda: records.stored_objects() == records.filed_objects(), GONE_SECONDS,
               "an object without a row is left")
    assert owner.listing()["files"] == []
