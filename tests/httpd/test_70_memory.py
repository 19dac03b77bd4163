"""The memory of a child does not grow with the size of a file."""

import pytest

from client import area_path
from config import Site
from wire import Wire, request_head

SMALL_BYTES = 1 << 20
LARGE_BYTES = 2 << 30
GROWTH_KIB_MAX = 24 << 10
BLOCK = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def site():
    return Site(single_child=True, base_lines="JabberFilesQuota unlimited\n"
                "JabberFilesMaxFileSize unlimited")


def peak_kib(pid):
    """The most memory a process has held since it was started."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def upload(server, owner, path, size_bytes, is_chunked=False):
    """Sends so many bytes without holding them."""
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size_bytes}"
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, path), length, client=owner))
        for _ in range(size_bytes // len(BLOCK)):
            wire.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK)
        if is_chunked:
            wire.send(b"0\r\n\r\n")
        assert wire.read_answer().status == 201


def download(server, owner, path):
    """Reads a file and compares it; returns its size."""
    connection = server.connect()
    connection.request("GET", area_path(owner.jid, path),
                       headers={"Authorization": owner.authorization})
    response = connection.getresponse()
    size_bytes = 0
    while block := response.read(len(BLOCK)):
        assert block == BLOCK
        size_bytes += len(block)
    return size_bytes


def test_two_gibibytes_need_no_more_memory_than_one_mebibyte(server, owner, measure):
    child, = server.children()
    for path, is_chunked in (("small", False), ("small chunked", True)):
        upload(server, owner, path, SMALL_BYTES, is_chunked)
        assert download(server, owner, path) == SMALL_BYTES
    small_kib = peak_kib(child)
    upload(server, owner, "large", LARGE_BYTES)
    uploaded_kib = peak_kib(child)
    assert download(server, owner, "large") == LARGE_BYTES
    downloaded_kib = peak_kib(child)
    assert server.children() == [child]
    assert owner.delete("large").status == 204
    measure(f"peak RSS of a child: {small_kib} KiB after 1 MiB files, {uploaded_kib} KiB after an "
            f"upload of 2 GiB, {downloaded_kib} KiB after its download")
    assert downloaded_kib - small_kib < GROWTH_KIB_MAX


def test_chunked_upload_needs_no_memory(server, owner):
    child, = server.children()
    before_kib = peak_kib(child)
    upload(server, owner, "chunked", 256 << 20, is_chunked=True)
    assert peak_kib(child) - before_kib < GROWTH_KIB_MAX
    assert download(server, owner, "chunked") == 256 << 20


def test_slow_reader_needs_no_memory(server, owner):
    link = owner.put("large", bytes(64 << 20)).link
    child, = server.children()
    before_kib = peak_kib(child)
    wires = [Wire(server) for _ in range(8)]
    for wire in wires:
        wire.send(request_head("GET", "/files" + link.partition("/files")[2]))
    assert owner.get("missing").status == 404
    for wire in wires:
        wire.reset()
    assert peak_kib(child) - before_kib < GROWTH_KIB_MAX * 2
