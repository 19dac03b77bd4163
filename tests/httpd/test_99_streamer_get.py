"""socketstreamer get: a file from a foreign side goes to one client, once, as it comes."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from foreign_side import ForeignSide, give, send_by_dcc, stay, wait_for_end
from one_shot import OneShot, read_until
from records import wait_until

CONTENT = os.urandom(300_000)


@pytest.fixture
def one_shot(env):
    """Offers what a foreign side gives; `size` is what is announced, None for nothing."""
    def start(foreign, *args, name="notes.bin", size=None):
        announced = [] if size is None else ["--size", size]
        return OneShot(env, "--from", foreign.address, "--name", name, *announced, *args)

    return start


each_size = pytest.mark.parametrize("size", [len(CONTENT), None], ids=["known", "unknown"])


# The file


@each_size
def test_file_arrives(one_shot, size):
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=size) as shot:
        answer = shot.request()
        code = shot.finish()
    assert (answer.status, code) == (200, 0)
    assert answer.body == CONTENT
    assert answer.headers.get("Content-Length") == (size and str(size))
    assert answer.headers.get("Transfer-Encoding") == (None if size else "chunked")
    assert (shot.report["name"], shot.report["cause"]) == ("notes.bin", "delivered")
    assert shot.report["bytes"] == str(len(CONTENT))
    assert shot.report["size"] == (size and str(size))
    assert shot.report["client"].startswith("127.0.0.1:")


@pytest.mark.parametrize("count", [0, 1, 2, (64 << 10) - 1, 64 << 10, (64 << 10) + 1])
@pytest.mark.parametrize("is_announced", [True, False], ids=["known", "unknown"])
def test_any_length(one_shot, count, is_announced):
    content = CONTENT[:count]
    with ForeignSide(give(content)) as foreign, \
            one_shot(foreign, size=count if is_announced else None) as shot:
        assert shot.request().body == content
        assert shot.finish() == 0


@each_size
def test_client_of_http_1_0_gets_it_as_well(one_shot, size):
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=size) as shot:
        with shot.ask(version="1.0") as connection:
            head, _, body = wait_for_end(connection).partition(b"\r\n\r\n")
        assert shot.finish() == 0
    assert b" 200 " in head.splitlines()[0]
    assert b"chunked" not in head
    assert body == CONTENT


def test_bytes_are_passed_on_as_they_come(one_shot):
    may_go_on = threading.Event()
    with ForeignSide(give(CONTENT, may_go_on, first_bytes=1000)) as foreign, \
            one_shot(foreign, size=len(CONTENT)) as shot, shot.ask() as connection:
        data = read_until(connection, CONTENT[:1000])
        may_go_on.set()
        data += wait_for_end(connection)
        assert shot.finish() == 0
    assert data.partition(b"\r\n\r\n")[2] == CONTENT


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_either_internet_protocol(one_shot, address, family):
    with ForeignSide(give(b"x"), family) as foreign, \
            one_shot(foreign, "--listen", address) as shot:
        assert shot.url.startswith(f"http://{address[:-1]}")
        assert shot.request().body == b"x"
        assert shot.finish() == 0


def test_sender_that_leaves_closing_to_others(one_shot):
    with ForeignSide(give(CONTENT, end=stay)) as foreign, \
            one_shot(foreign, size=len(CONTENT)) as shot:
        assert shot.request().body == CONTENT
        assert shot.finish() == 0


def test_foreign_side_waits_for_a_slow_client(one_shot):
    sent, content = [0], os.urandom(1 << 20) * 32

    def give_and_count(connection):
        view = memoryview(content)
        while sent[0] < len(content):
            sent[0] += connection.send(view[sent[0]:])

    with ForeignSide(give_and_count) as foreign, one_shot(foreign, size=len(content)) as shot, \
            shot.ask(buffer_bytes=16 << 10) as connection:
        data = connection.recv(1)
        before_kib, last = shot.resident_kib(), -1
        while last != sent[0]:
            last = sent[0]
            wait_until(lambda: shot.process.poll() is None, 1, "it has ended")
            threading.Event().wait(0.3)
        # What is under way is in the kernel: twice its buffers for sending and receiving.
        assert sent[0] < 24 << 20
        assert shot.resident_kib() - before_kib < 1 << 10
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        data += wait_for_end(connection)
        assert shot.finish() == 0
    assert data.partition(b"\r\n\r\n")[2] == content


# DCC


@pytest.mark.parametrize("size", [100_000, None], ids=["known", "unknown"])
def test_every_piece_is_acknowledged(one_shot, size):
    acks, content = [], CONTENT[:100_000]
    with ForeignSide(send_by_dcc(content, 1024, acks)) as foreign, \
            one_shot(foreign, "--dcc", size=size) as shot:
        assert shot.request().body == content
        assert shot.finish() == 0
    assert acks == sorted(set(acks))
    assert acks[-1] == 100_000
    assert {*range(1024, 100_000, 1024)} <= {*acks}


def test_sender_that_never_reads_acknowledgements(one_shot):
    def send(connection):
        for _ in range(50_000):
            connection.sendall(b"0123456789" * 10)
        connection.shutdown(socket.SHUT_WR)
        wait_for_end(connection)

    with ForeignSide(send) as foreign, one_shot(foreign, "--dcc", size=5_000_000) as shot:
        assert shot.request().body == b"0123456789" * 500_000
        assert shot.finish() == 0


def test_without_dcc_nothing_is_said_to_the_foreign_side(one_shot):
    with ForeignSide(give(CONTENT, end=stay)) as foreign, \
            one_shot(foreign, size=len(CONTENT)) as shot:
        shot.request()
        shot.finish()  # stay() has judged


# What is said of it


@each_size
def test_head_does_not_start_the_transfer(one_shot, size):
    with ForeignSide(give(CONTENT)) as foreign, \
            one_shot(foreign, "--type", "image/PNG", name='über "x".png', size=size) as shot:
        for _ in range(2):
            answer = shot.request("HEAD")
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers.get("Content-Length") == (size and str(size))
        assert foreign.connection_count == 0
        whole = shot.request()
        assert shot.finish() == 0
    fields = dict(answer.headers)
    assert fields.pop("Date") and {**whole.headers, "Date": None} == {**fields, "Date": None}
    assert fields["Content-Type"] == "image/png"
    assert fields["Content-Disposition"] == \
        "inline; filename=\"_ber _x_.png\"; filename*=UTF-8''%C3%BCber%20%22x%22.png"
    assert fields["Accept-Ranges"] == "none"
    assert (fields["X-Content-Type-Options"], fields["Cache-Control"]) == ("nosniff", "no-store")
    assert "default-src 'none'" in fields["Content-Security-Policy"]
    assert "sandbox" in fields["Content-Security-Policy"]
    assert shot.url.endswith("/%C3%BCber%20%22x%22.png")


@pytest.mark.parametrize("name,args,media_type,disposition", [
    ("a.jpg", [], "image/jpeg", "inline"),
    ("a.html", ["--type", "text/html"], "text/html", "attachment"),
    ("a.svg", ["--type", "image/svg+xml"], "image/svg+xml", "attachment"),
    ("a", ["--type", "no type"], "application/octet-stream", "attachment"),
    ("a", [], "application/octet-stream", "attachment"),
])
def test_only_what_is_safe_is_shown(one_shot, name, args, media_type, disposition):
    with ForeignSide(give(b"x")) as foreign, one_shot(foreign, *args, name=name) as shot:
        headers = shot.request("HEAD").headers
        assert shot.stop() == 9
    assert headers["Content-Type"] == media_type
    assert headers["Content-Disposition"].split(";")[0] == disposition


def test_ranges_and_conditions_are_of_no_use(one_shot):
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=len(CONTENT)) as shot:
        answer = shot.request(headers={
            "Range": "bytes=5-", "If-Range": '"x"', "If-None-Match": '"x"',
            "If-Modified-Since": "Sat, 29 Oct 2033 19:43:31 GMT"})
        assert shot.finish() == 0
    assert (answer.status, answer.body) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


# The URL


def test_url_cannot_be_guessed(one_shot):
    with ForeignSide(give(b"x")) as foreign:
        urls = set()
        for _ in range(3):
            with one_shot(foreign) as shot:
                urls.add(shot.url)
                assert shot.stop() == 9
    assert len(urls) == 3
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/[-\w]{22}/notes\.bin", url) for url in urls)


@pytest.mark.parametrize("base", ["https://files.example.org", "https://[2001:db8::1]:8443/irc/"])
def test_url_behind_a_reverse_proxy(one_shot, base):
    with ForeignSide(give(CONTENT)) as foreign, \
            one_shot(foreign, "--url-base", base, "--listen", "127.0.0.1:0") as shot:
        assert shot.url.startswith(base.rstrip("/") + "/")
        assert shot.url.endswith("/notes.bin") and "//" not in shot.url.partition("://")[2]
        assert shot.stop(signal.SIGINT) == 9


def test_whoever_reads_the_url_sees_its_end(env, one_shot):
    with ForeignSide(give(b"x")) as foreign, one_shot(foreign) as shot:
        assert shot.process.stdout.read() == ""
        assert shot.process.poll() is None
        assert shot.stop() == 9


# The documentation


def test_manual_page_has_all_options_and_exit_statuses(env):
    source = Path(env.srcdir, "tools", "socketstreamer")
    page = (source / "socketstreamer-get.1").read_text("utf-8")
    options = re.findall(r'^    \{"([a-z-]+)",', (source / "get_options.c").read_text("utf-8"), re.M)
    statuses = re.findall(r"^    GET_\w+ = (\d+),", (source / "get_outcome.h").read_text("utf-8"),
                          re.M)
    assert len(options) == 11 and len(statuses) == 10
    assert set(re.findall(r"^\.It Fl -([a-z-]+)", page, re.M)) == set(options)
    exits = page.partition(".Sh EXIT STATUS")[2].partition(".Sh ")[0]
    assert re.findall(r"^\.It (\d+)$", exits, re.M) == statuses


def test_help_is_printed(env):
    done = subprocess.run([env.streamer, "get", "--help"], capture_output=True, text=True,
                          check=True)
    assert "--from HOST:PORT" in done.stdout and done.stderr == ""
