"""socketstreamer get: foreign sides and clients that do not do what they should, and what the exit
status says of it. A file that is not whole never looks whole."""

import contextlib
import http.client
import os
import signal
import socket
import threading
import time

import pytest

from byte_proxy import reset
from foreign_side import (ESTABLISHED, ForeignSide, give, give_nothing, has_socket, reset_now,
                          stay, wait_for_end)
from one_shot import OneShot, is_quiet, read_to_break, read_until
from records import wait_until

CONTENT = os.urandom(300_000)
DELIVERED, USAGE, NOBODY_CAME, REFUSED, SILENT, BROKEN, TOO_LONG, CLIENT_GONE, STOPPED = \
    0, 2, 3, 4, 5, 6, 7, 8, 9


@pytest.fixture
def one_shot(env):
    """Offers what a foreign side gives; `size` is what is announced, None for nothing."""
    def start(foreign, *args, size=None):
        announced = [] if size is None else ["--size", size]
        return OneShot(env, "--from", foreign.address, "--name", "notes.bin", *announced, *args)

    return start


@pytest.fixture
def hesitant():
    """Gives CONTENT, but for its first 1000 bytes only when `may_go_on` is set."""
    may_go_on = threading.Event()
    with ForeignSide(give(CONTENT, may_go_on, first_bytes=1000)) as foreign:
        foreign.may_go_on = may_go_on
        yield foreign
        may_go_on.set()


each_size = pytest.mark.parametrize("size", [len(CONTENT), None], ids=["known", "unknown"])


# Requests that get nothing


def test_other_paths_are_not_there(one_shot, hesitant):
    with one_shot(hesitant) as shot:
        token, name = shot.path.split("/")[1:]
        for path in ("/", f"/{token}", f"/{token}/", f"/{token}/other", f"{shot.path}/",
                     f"/{token[:-1]}/{name}", f"/{token.swapcase()}/{name}", f"/{name}",
                     f"/{'A' * 22}/{name}", f"{shot.path}x", "/" + "x" * 10_000, "*"):
            for method in ("GET", "HEAD", "PUT"):
                assert shot.request(method, path).status == 404, path
        assert hesitant.connection_count == 0
        hesitant.may_go_on.set()
        assert shot.request().body == CONTENT
        assert shot.finish() == DELIVERED


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_not_allowed(one_shot, hesitant, method):
    with one_shot(hesitant) as shot:
        answer = shot.request(method, body=b"x" if method.startswith("P") else None)
        assert shot.stop() == STOPPED
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert hesitant.connection_count == 0


def test_get_with_content_is_refused(one_shot, hesitant):
    with one_shot(hesitant) as shot:
        assert shot.request(body=b"x").status == 400
        with shot.connect() as connection:
            connection.sendall(f"GET {shot.path} HTTP/1.1\r\nHost: test\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n".encode())
            assert b" 400 " in wait_for_end(connection).splitlines()[0]
        assert shot.stop() == STOPPED
    assert hesitant.connection_count == 0


def test_second_get_is_a_conflict(one_shot, hesitant):
    with one_shot(hesitant, size=len(CONTENT)) as shot, shot.ask() as first:
        data = read_until(first, CONTENT[:1000])
        assert shot.request().status == 409
        assert shot.request("HEAD").status == 200
        hesitant.may_go_on.set()
        data += wait_for_end(first)
        assert shot.finish() == DELIVERED
    assert data.endswith(CONTENT)
    assert hesitant.connection_count == 1


def test_second_get_while_the_first_one_waits(one_shot):
    with ForeignSide(give_nothing(stay)) as foreign, one_shot(foreign) as shot:
        with shot.ask() as first:
            wait_until(lambda: foreign.connection_count, 10, "the foreign side is not asked")
            assert shot.request().status == 409
            assert is_quiet(first)
        assert shot.finish() == CLIENT_GONE
    assert foreign.connection_count == 1


def test_garbage_and_silence_disturb_nobody(one_shot, hesitant):
    with one_shot(hesitant) as shot, contextlib.ExitStack() as stack:
        for unfinished in (b"", b"\r\n" * 100, b"\x16\x03\x01" * 1000, b"GET /"):
            for _ in range(8):
                stack.enter_context(shot.connect()).sendall(unfinished)
        for wrong in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 100_000,
                      f"GET {shot.path} HTTP/1.1\r\n{'x: y' * 20_000}\r\n\r\n".encode()):
            with shot.connect() as connection:
                connection.sendall(wrong)
                assert b" 200 " not in wait_for_end(connection)
        assert hesitant.connection_count == 0
        hesitant.may_go_on.set()
        assert shot.request().body == CONTENT
        assert shot.finish() == DELIVERED


# The foreign side does not begin


def test_nobody_listens_there(env):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with OneShot(env, "--from", f"127.0.0.1:{port}", "--name", "x") as shot:
        assert shot.request().status == 410
        assert shot.finish() == REFUSED
    assert shot.report["cause"] == "refused by the foreign side, Connection refused"


@pytest.mark.parametrize("end", [socket.socket.close, reset_now], ids=["closed", "reset"])
def test_nothing_is_given(one_shot, end):
    with ForeignSide(give_nothing(end)) as foreign, one_shot(foreign, size=5) as shot:
        assert shot.request().status == 410
        assert shot.finish() == REFUSED


def test_foreign_side_is_silent(one_shot):
    with ForeignSide(give_nothing(stay)) as foreign, \
            one_shot(foreign, "--idle-timeout", 1) as shot:
        assert shot.request().status == 504
        assert shot.finish() == SILENT
    assert shot.report["cause"] == "the foreign side said nothing, silent for too long"


def test_foreign_side_does_not_accept(env):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # The queue takes one; then the kernel does not answer any more.
        waiting = [socket.socket() for _ in range(3)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        with OneShot(env, "--from", f"127.0.0.1:{listener.getsockname()[1]}", "--name", "x",
                     "--connect-timeout", 1) as shot:
            assert shot.request().status == 504
            assert shot.finish() == SILENT
        for connection in waiting:
            connection.close()


# The foreign side breaks off


def test_short_file_is_broken(one_shot):
    with ForeignSide(give(CONTENT[:-1])) as foreign, one_shot(foreign, size=len(CONTENT)) as shot:
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            shot.request()
        assert shot.finish() == BROKEN
    assert shot.report["cause"] == "broken by the foreign side, connection closed"
    assert shot.report["bytes"] == str(len(CONTENT) - 1)


@each_size
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("end", [reset_now, stay], ids=["reset", "silent"])
def test_broken_file_never_looks_whole(one_shot, size, version, end):
    may_go_on = threading.Event()
    script = give(CONTENT[:2000], may_go_on, first_bytes=1000, end=end)
    with ForeignSide(script) as foreign, \
            one_shot(foreign, "--idle-timeout", 1, size=size) as shot, \
            shot.ask(version=version) as connection:
        data = read_until(connection, CONTENT[:1000])
        may_go_on.set()
        data += read_to_break(connection)
        assert shot.finish() == BROKEN
    assert b" 200 " in data.splitlines()[0]
    assert not data.endswith(b"0\r\n\r\n")


def test_end_of_a_file_of_unknown_size_is_its_end(one_shot):
    with ForeignSide(give(CONTENT[:-1])) as foreign, one_shot(foreign) as shot:
        assert shot.request().body == CONTENT[:-1]
        assert shot.finish() == DELIVERED


@pytest.mark.parametrize("surplus", [1, 100_000])
def test_what_was_not_announced_is_not_passed_on(one_shot, surplus):
    size = len(CONTENT) - surplus
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=size) as shot, \
            shot.ask() as connection:
        head, _, body = read_to_break(connection).partition(b"\r\n\r\n")
        assert shot.finish() == TOO_LONG
    assert len(body) < size and CONTENT.startswith(body)
    assert b"200" in head or body == b""


def test_what_comes_late_was_not_announced_either(one_shot):
    may_go_on = threading.Event()
    with ForeignSide(give(CONTENT, may_go_on, first_bytes=1000, end=stay)) as foreign, \
            one_shot(foreign, size=1000) as shot, shot.ask() as connection:
        data = read_until(connection, CONTENT[:999])
        may_go_on.set()
        data += read_to_break(connection)
        assert shot.finish() == TOO_LONG
    assert CONTENT[:1000] not in data


def test_more_than_nothing(one_shot):
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=0) as shot:
        assert shot.request().status == 502
        assert shot.finish() == TOO_LONG


# The client goes away


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
def test_client_leaves_before_the_foreign_side_begins(one_shot, leave):
    with ForeignSide(give_nothing(stay)) as foreign, one_shot(foreign) as shot:
        connection = shot.ask()
        wait_until(lambda: foreign.connection_count, 10, "the foreign side is not asked")
        leave(connection)
        assert shot.finish() == CLIENT_GONE
    # stay() has ended: the foreign side was left, too.


@each_size
@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
def test_client_leaves_while_there_is_nothing_to_send(one_shot, size, leave):
    with ForeignSide(give(CONTENT[:1000], end=stay)) as foreign, \
            one_shot(foreign, size=size) as shot:
        connection = shot.ask()
        read_until(connection, CONTENT[:999])
        leave(connection)
        assert shot.finish() == CLIENT_GONE
    assert shot.report["cause"] == "the client went away"
    assert shot.report["bytes"] == "1000"


@each_size
def test_client_leaves_in_the_middle(one_shot, size):
    with ForeignSide(give(CONTENT * 100)) as foreign, \
            one_shot(foreign, size=size and 100 * size) as shot:
        connection = shot.ask(buffer_bytes=16 << 10)
        connection.recv(1000)
        reset(connection)
        assert shot.finish() == CLIENT_GONE


def test_client_that_leaves_before_the_last_bytes_arrive_has_not_got_them(one_shot):
    with ForeignSide(give(CONTENT)) as foreign, one_shot(foreign, size=len(CONTENT)) as shot:
        connection = shot.ask(buffer_bytes=4096)
        # All has gone to the kernel, much less has arrived.
        wait_until(lambda: foreign.connection_count and not has_socket(foreign.port, ESTABLISHED),
                   10, "not all was taken")
        assert shot.process.poll() is None
        reset(connection)
        assert shot.finish() == CLIENT_GONE


@each_size
def test_client_that_stops_reading_is_left(one_shot, size):
    with ForeignSide(give(CONTENT * 100)) as foreign, \
            one_shot(foreign, "--idle-timeout", 1, size=size and 100 * size) as shot, \
            shot.ask(buffer_bytes=16 << 10):
        assert shot.finish() == CLIENT_GONE


# Time and signals


def test_nobody_comes(one_shot, hesitant):
    with one_shot(hesitant, "--ttl", 1) as shot:
        begin = time.monotonic()
        assert shot.request("HEAD").status == 200
        assert shot.finish() == NOBODY_CAME
        assert time.monotonic() - begin < shot.seconds / 2
        with pytest.raises(ConnectionRefusedError):
            shot.connect()
    assert hesitant.connection_count == 0
    assert (shot.report["cause"], shot.report["client"]) == ("nobody came for it", "none")


def test_time_to_live_is_for_the_wait_alone(one_shot, hesitant):
    with one_shot(hesitant, "--ttl", 1, size=len(CONTENT)) as shot, shot.ask() as connection:
        data = read_until(connection, CONTENT[:1000])
        time.sleep(1.5)
        hesitant.may_go_on.set()
        data += wait_for_end(connection)
        assert shot.finish() == DELIVERED
    assert data.endswith(CONTENT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_it_waits(one_shot, hesitant, number):
    with one_shot(hesitant) as shot:
        assert shot.stop(number) == STOPPED
    assert shot.report["cause"] == "told to stop"


def test_signals_after_the_end_do_not_change_the_exit_status(one_shot, hesitant):
    for number in (signal.SIGTERM, signal.SIGINT):
        with one_shot(hesitant) as shot:
            while shot.process.poll() is None:
                shot.process.send_signal(number)
            assert shot.finish() == STOPPED


def test_stopped_before_the_foreign_side_begins(one_shot):
    with ForeignSide(give_nothing(stay)) as foreign, one_shot(foreign) as shot, \
            shot.ask() as connection:
        wait_until(lambda: foreign.connection_count, 10, "the foreign side is not asked")
        assert shot.stop() == STOPPED
        assert b" 503 " in wait_for_end(connection).splitlines()[0]


@each_size
def test_stopped_in_the_middle(one_shot, hesitant, size):
    with one_shot(hesitant, size=size) as shot, shot.ask() as connection:
        read_until(connection, CONTENT[:999])
        assert shot.stop() == STOPPED
        read_to_break(connection)


def test_stopped_while_the_client_is_slow(one_shot):
    with ForeignSide(give(CONTENT * 100)) as foreign, \
            one_shot(foreign, size=100 * len(CONTENT)) as shot, \
            shot.ask(buffer_bytes=16 << 10) as connection:
        connection.recv(1)
        assert shot.stop() == STOPPED
        read_to_break(connection)


# The command line


@pytest.mark.parametrize("args,words", [
    ([], "--from"),
    (["--from", "127.0.0.1:9"], "--name"),
    (["--from", "127.0.0.1", "--name", "x"], "HOST:PORT"),
    (["--from", "127.0.0.1:99999", "--name", "x"], "HOST:PORT"),
    (["--from", "127.0.0.1:0", "--name", "x"], "HOST:PORT"),
    (["--from", "127.0.0.1:9", "--name", "../x"], "behind its last slash"),
    (["--from", "127.0.0.1:9", "--name", "a\nb"], "control"),
    (["--from", "127.0.0.1:9", "--name", ""], "empty part"),
    (["--from", "127.0.0.1:9", "--name", "x", "--size", "-1"], "--size"),
    (["--from", "127.0.0.1:9", "--name", "x", "--size", "unlimited"], "without --size"),
    (["--from", "127.0.0.1:9", "--name", "x", "--ttl", "0"], "--ttl"),
    (["--from", "127.0.0.1:9", "--name", "x", "--listen", "0.0.0.0:0"], "--url-base"),
    (["--from", "127.0.0.1:9", "--name", "x", "--url-base", "ftp://x"], "--url-base"),
    (["--from", "127.0.0.1:9", "--name", "x", "--url-base", "https://x/ y"], "--url-base"),
    (["--from", "127.0.0.1:9", "--name", "x", "--url-base", "https:///y"], "--url-base"),
    (["--from", "127.0.0.1:9", "--name", "x", "--nonsense"], "--nonsense"),
    (["--from", "127.0.0.1:9", "--name"], "--name"),
    (["--from", "127.0.0.1:9", "--name", "x", "--dcc=yes"], "--dcc"),
    (["--from", "127.0.0.1:9", "--name", "x", "y\x1b"], "y\\u{1b}"),
], ids=str)
def test_wrong_usage(env, args, words):
    with OneShot(env, *args) as shot:
        assert shot.finish() == USAGE
    assert shot.url == ""
    assert shot.stderr.startswith("socketstreamer get: ") and shot.stderr.count("\n") == 1
    assert words in shot.stderr


def test_address_that_cannot_be_used(env):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with OneShot(env, "--from", "127.0.0.1:9", "--name", "x", "--listen", address) as shot:
            assert shot.finish() == 1
    assert f"cannot listen on {address}" in shot.stderr
