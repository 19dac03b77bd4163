"""socketstreamer: what may be said on its port, and what not (RFC 1928, XEP-0065)."""

import os
import secrets
import time

import pytest

from socks5 import (BAD_ADDRESS_TYPE, BAD_COMMAND, BIND, IPV4, IPV6, NO_LOGIN,
                    NO_LOGIN_TAKEN, NO_METHOD, UDP, acceptance, connect, greet, hear, hear_end,
                    request, reset, stream_hash)
from streamer import COMPONENT, TARGET

pytest_plugins = "streamer_site"

NAME = b"26f2c047bd26cf4c666ef69a11f4e901a9ee3338"


@pytest.fixture
def sid():
    return secrets.token_hex(8)


@pytest.fixture(autouse=True)
def still_serves(streamer, requester):
    """Whatever a test did, the next stream works, and nothing is left of the test's."""
    yield
    near, far = requester.open(COMPONENT, streamer.address(), TARGET)
    with near, far:
        near.sendall(b"content")
        assert hear(far, 7) == b"content"
    for state in ("waiting", "active"):
        streamer.wait_for_count(0, "streams", state=state)


def test_vector_of_the_hash():
    assert stream_hash("s5b-7f3", "alice@example.org/cli", "bob@example.org/desk") == NAME


def test_answer_repeats_the_question(streamer, sid, requester):
    name = stream_hash(sid, requester.full_jid, TARGET)
    with greet(streamer.address()) as peer:
        peer.sendall(request(name))
        assert hear(peer, 47) == b"\x05\x00\x00\x03\x28" + name + b"\x00\x00"


# Fragments


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 8, 25, 47, 48, 49])
def test_greeting_and_request_in_two_pieces(streamer, cut):
    """The request may come right behind the greeting, too."""
    data = NO_LOGIN + request(NAME)
    with connect(streamer.address()) as peer:
        peer.sendall(data[:cut])
        if cut >= 3:
            assert hear(peer, 2) == NO_LOGIN_TAKEN
        peer.sendall(data[cut:])
        expected = acceptance(NAME) if cut >= 3 else NO_LOGIN_TAKEN + acceptance(NAME)
        assert hear(peer, len(expected)) == expected


def test_single_bytes(streamer, sid, requester):
    name = stream_hash(sid, requester.full_jid, TARGET)
    peers = [connect(streamer.address()) for _ in range(2)]
    for byte in NO_LOGIN + request(name):
        for peer in peers:
            peer.sendall(bytes([byte]))
    for peer in peers:
        assert hear(peer, 49) == NO_LOGIN_TAKEN + acceptance(name)
    requester.activate(COMPONENT, sid, TARGET)
    near, far = peers
    with near, far:
        near.sendall(b"content")
        assert hear(far, 7) == b"content"


def test_all_in_one_piece(streamer):
    with connect(streamer.address()) as peer:
        peer.sendall(NO_LOGIN + request(NAME))
        assert hear(peer, 49) == NO_LOGIN_TAKEN + acceptance(NAME)


@pytest.mark.parametrize("methods", [b"\x00\x01\x02", b"\x02\x01\x00", bytes(range(255)),
                                     b"\x02" * 254 + b"\x00"],
                         ids=["first", "last", "all", "last of 255"])
def test_no_login_among_other_methods(streamer, methods):
    with connect(streamer.address()) as peer:
        peer.sendall(b"\x05" + bytes([len(methods)]) + methods)
        assert hear(peer, 2) == NO_LOGIN_TAKEN
        peer.sendall(request(NAME))
        assert hear(peer, 47) == acceptance(NAME)


# What is refused


@pytest.mark.parametrize("greeting", [b"\x05\x01\x02", b"\x05\x02\x01\x02", b"\x05\x00"],
                         ids=["password", "GSSAPI and password", "nothing"])
def test_no_method_in_common(streamer, greeting):
    with connect(streamer.address()) as peer:
        peer.sendall(greeting)
        assert hear_end(peer) == NO_METHOD


@pytest.mark.parametrize("data", [
    b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00", b"\x00" * 100, b"\xff" * 10_000],
                         ids=["SOCKS4", "HTTP", "TLS", "zeros", "noise"])
def test_other_protocols(streamer, data):
    with connect(streamer.address()) as peer:
        peer.sendall(data)
        assert hear_end(peer) in (b"", NO_METHOD)


@pytest.mark.parametrize("question,code", [
    (request(NAME, command=BIND), BAD_COMMAND),
    (request(NAME, command=UDP), BAD_COMMAND),
    (request(NAME, command=0), BAD_COMMAND),
    (request(NAME, command=255), BAD_COMMAND),
    (request(bytes(4), kind=IPV4), BAD_ADDRESS_TYPE),
    (request(bytes(16), kind=IPV6), BAD_ADDRESS_TYPE),
    (request(b"\x7f\x00\x00\x01", kind=IPV4, port=80), BAD_ADDRESS_TYPE),
    (request(bytes(4), kind=2), BAD_ADDRESS_TYPE),
], ids=["bind", "udp", "command 0", "command 255", "IPv4", "IPv6", "IPv4 and port", "kind 2"])
def test_unknown_command_or_address(streamer, question, code):
    with greet(streamer.address()) as peer:
        peer.sendall(question)
        answer = hear_end(peer)
        assert answer[:2] == bytes([5, code])


@pytest.mark.parametrize("question", [
    request(NAME, port=1080), request(NAME, port=1), request(NAME[:-1]), request(NAME + b"0"),
    request(b""), request(b"x" * 255), request(b"g" + NAME[1:]), request(NAME[:-1] + b"\0"),
    request(b"localhost"), request(NAME[:-1] + b" "), request(NAME, version=4),
    request(NAME, version=0),
], ids=["port 1080", "port 1", "39 characters", "41 characters", "no name", "255 characters",
        "no hexadecimal", "zero byte", "a host", "a space", "version 4", "version 0"])
def test_other_destinations(streamer, question):
    """It never goes anywhere: nobody can make it an open proxy."""
    with greet(streamer.address()) as peer:
        peer.sendall(question)
        answer = hear_end(peer)
        assert answer == b"" or answer[0] == 5 and answer[1] != 0


def test_answer_to_a_refused_request_arrives_despite_more_data(streamer):
    """What else was sent must not turn the answer into a reset."""
    with greet(streamer.address()) as peer:
        peer.sendall(request(NAME, command=BIND) + os.urandom(10_000))
        assert hear(peer, 2) == bytes([5, BAD_COMMAND])


# Peers that say nothing, or go


def test_silent_and_vanished_peers(streamer):
    """Half of a handshake, then nothing, an end or a reset; `still_serves` judges."""
    data = NO_LOGIN + request(NAME)
    for count in (0, 1, 3, 20, len(data)):
        for leave in (lambda peer: peer.close(), reset):
            peer = connect(streamer.address())
            peer.sendall(data[:count])
            leave(peer)


def test_crowd_of_connections(streamer):
    """Comes and goes at once."""
    begin = time.monotonic()
    peers = [connect(streamer.address()) for _ in range(400)]
    for peer in peers:
        peer.sendall(NO_LOGIN)
    for peer in peers:
        assert hear(peer, 2) == NO_LOGIN_TAKEN
        peer.close()
    assert time.monotonic() - begin < 20 * streamer.env.patience


def test_nothing_is_dialled(streamer):
    """The daemon's only connection that it made itself goes to the Jabber server."""
    ports = {streamer.address()[1]}
    with greet(streamer.address()) as peer:
        peer.sendall(request(b"127.0.0.1", port=80))
        hear_end(peer)
    own = sockets_of(streamer.process.pid)
    made = [remote for local, remote, state in own if state == "01" and local not in ports]
    assert len(made) == 1


def sockets_of(pid):
    """[(local port, remote port, state)] of a process's TCP sockets."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    local, remote = (int(part.rpartition(":")[2], 16) for part in fields[1:3])
                    found.append((local, remote, fields[3]))
    return found
