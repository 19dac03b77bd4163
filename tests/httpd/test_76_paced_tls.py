"""Downloads with a rate over TLS: they hold no thread of an asynchronous MPM, and arrive whole."""

import hashlib
import os

import pytest

from client import area_path, link_path
from config import Site
from curl import Curl
from records import wait_until
from wire import request_head

RATE_BYTES = 1 << 20
THREADS = 16
# More than there are threads, and more than the kernel takes at once of each.
DOWNLOADS = 40
SIZE_BYTES = 3_000_000


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs, single_child=True, http2=True,
                base_lines=f"JabberFilesRate {RATE_BYTES}\n")


@pytest.fixture
def content():
    return os.urandom(SIZE_BYTES)


@pytest.fixture
def link(owner, content):
    return owner.put("film", content).link


class Download:
    """A GET over TLS whose answer is read as the test likes."""

    def __init__(self, server, path, *fields):
        connection = server.connect()
        connection.connect()
        self.socket = connection.sock
        self.ask(path, *fields)

    def ask(self, path, *fields):
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def read_head(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        return head

    def read(self, count):
        got = bytearray()
        while len(got) < count:
            piece = self.socket.recv(min(65536, count - len(got)))
            assert piece, f"the connection ended after {len(got)} bytes"
            got += piece
        return bytes(got)


def workers(nobody):
    lines = nobody.request("GET", "/server-status?auto").text.splitlines()
    return {key: int(value) for key, value in (line.split(": ") for line in lines if ": " in line)
            if key in ("BusyWorkers", "IdleWorkers", "JabberFilesActiveDownloads",
                       "JabberFilesSentBytes")}


def test_no_thread_is_held(server, link, nobody):
    downloads = [Download(server, link_path(link)) for _ in range(DOWNLOADS)]
    try:
        for download in downloads:
            assert b" 200 " in download.read_head()
            download.read(1000)
        wait_until(lambda: workers(nobody)["JabberFilesActiveDownloads"] == DOWNLOADS, 20,
                   "not all downloads are listed")
        # The thread that answers is busy; another one may write a piece at this moment.
        wait_until(lambda: workers(nobody)["IdleWorkers"] >= THREADS - 3, 20,
                   "downloads hold threads")
        for download in downloads:
            download.read(1000)
    finally:
        for download in downloads:
            download.socket.close()


def test_content_arrives_whole(server, link, content):
    answer = Curl(server)("--http1.1", link)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(content).digest()


def test_ranges_arrive_whole(server, link, content):
    assert Curl(server)("--http1.1", "-r", "1000000-1999999", link).body == content[10**6:2 * 10**6]
    parts = Curl(server)("--http1.1", "-r", "0-99999,500000-599999", link).body
    assert content[:100_000] in parts
    assert content[500_000:600_000] in parts


def test_one_connection_for_many(server, link, owner, content):
    """An answer that is fed, small ones, the list, and a fed one again; asked for at once, too."""
    path = link_path(link)
    download = Download(server, path)
    download.ask(path, "Range: bytes=0-9")
    download.ask(path)
    download.ask("/files/nothing-there/x")
    for expected in (content, content[:10], content):
        head = download.read_head()
        assert f"Content-Length: {len(expected)}".encode() in head
        assert download.read(len(expected)) == expected
    assert b" 404 " in download.read_head()
    download.socket.close()


def test_an_area_below_its_rate_is_not_delayed(server, owner, nobody):
    link = owner.put("note", b"x" * 2000).link
    for _ in range(20):
        assert nobody.request("GET", link_path(link)).body == b"x" * 2000


def test_a_client_that_goes_away_is_forgotten(server, link, nobody):
    downloads = [Download(server, link_path(link)) for _ in range(5)]
    for download in downloads:
        download.read_head()
        download.socket.close()
    wait_until(lambda: workers(nobody)["JabberFilesActiveDownloads"] == 0, 20,
               "downloads of clients that are gone are still listed")


def test_a_graceful_restart_lets_them_end(start_server, users, certs, content):
    server = start_server(Site(certificates=certs, base_lines=f"JabberFilesRate {RATE_BYTES}\n"))
    link = users.client(server).put("film", content).link
    download = Download(server, link_path(link))
    download.read_head()
    begun = download.read(100_000)
    server.graceful()
    assert begun + download.read(SIZE_BYTES - 100_000) == content
    download.socket.close()


def test_upload_on_the_same_connection(server, link, owner, content):
    download = Download(server, link_path(link))
    download.read_head()
    assert download.read(SIZE_BYTES) == content
    head = request_head("PUT", area_path(owner.jid, "more"), "Content-Length: 5", client=owner)
    download.socket.sendall(head + b"hello")
    assert b" 201 " in download.read_head()
    download.socket.close()


def test_a_client_that_takes_nothing_is_given_up(start_server, users, certs, content):
    """httpd ends what makes no progress for Timeout; what never left is not counted."""
    server = start_server(Site(certificates=certs, server_lines="Timeout 1\n",
                               base_lines=f"JabberFilesRate {RATE_BYTES}\n"))
    owner = users.client(server)
    link = owner.put("film", content * 5).link
    downloads = [Download(server, link_path(link)) for _ in range(3)]
    wait_until(lambda: workers(owner)["JabberFilesActiveDownloads"] == 3, 20, "not listed")
    wait_until(lambda: workers(owner)["JabberFilesActiveDownloads"] == 0, 60, "not given up")
    assert workers(owner)["JabberFilesSentBytes"] < 3 * 5 * SIZE_BYTES
    assert owner.request("GET", link_path(link), headers={"Range": "bytes=0-9"}).status == 206
    for download in downloads:
        download.socket.close()
