"""socketstreamer: content between two clients (XEP-0065), through Prosody and ejabberd."""

import hashlib
import os
import secrets
import socket
import threading

import pytest

from kernel_buffer import unsent_bytes
from records import wait_until
from socks5 import greet, hear, hear_end, is_quiet, join, request, reset, stream_hash
from stream_client import StreamClient
from streamer import COMPONENT, TARGET, streamer_starter

pytest_plugins = "streamer_site"

GIBIBYTE = 1 << 30
BLOCK_BYTES = 1 << 20
CONTENT = os.urandom(300_000)
QUIET_SECONDS = 0.3
# What the kernel and the relay may have under way between two peers of which one does not read.
UNDER_WAY_BYTES_MAX = 32 << 20


@pytest.fixture(params=["prosody", "ejabberd"], scope="module")
def world(request, env, streamer_program, work_dir):
    """A Jabber server and a daemon that is its component."""
    xmpp = request.getfixturevalue(f"streamer_{request.param}")
    with streamer_starter(env, streamer_program, work_dir) as start:
        yield xmpp, start(xmpp, COMPONENT)


@pytest.fixture(scope="module")
def couple(world):
    """Two chat clients of slixmpp."""
    xmpp, _ = world
    alice, bob = xmpp.new_users(2)
    with StreamClient(xmpp, alice) as sender, StreamClient(xmpp, bob) as receiver:
        yield sender, receiver


def exchange(near, far):
    """Content goes both ways and both ends see the end; returns nothing."""
    sender = threading.Thread(target=near.sendall, args=(CONTENT,))
    sender.start()
    assert hear(far, len(CONTENT)) == CONTENT
    sender.join()
    far.sendall(CONTENT[::-1][:5000])
    assert hear(near, 5000) == CONTENT[::-1][:5000]
    near.close()
    assert hear_end(far) == b""
    far.close()


# slixmpp at both ends


def test_slixmpp_finds_the_proxy_and_sends_both_ways(world, couple):
    sender, receiver = couple
    near = sender.send_by_slixmpp(receiver.full_jid)
    assert list(sender["xep_0065"]._proxies) == [COMPONENT]
    far = wait_until(lambda: receiver.streams, 20, "no stream")[-1]
    sender.do(near.send(CONTENT))
    wait_until(lambda: len(far.content) == len(CONTENT), 20, "the content does not come")
    receiver.do(far.send(b"thank you"))
    wait_until(lambda: near.content == b"thank you", 20, "the answer does not come")
    assert far.content == CONTENT
    sender._own_loop.call_soon_threadsafe(near.close)
    wait_until(lambda: far.has_ended, 20, "the end does not come")


def test_slixmpp_with_several_streams_at_a_time(world, couple):
    sender, receiver = couple
    count = len(receiver.streams)
    contents = [os.urandom(50_000 + number) for number in range(5)]
    nears = [sender.send_by_slixmpp(receiver.full_jid) for _ in contents]
    fars = wait_until(lambda: receiver.streams[count:][4:] and receiver.streams[count:], 20,
                      "not all streams come")
    for near, content in zip(nears, contents):
        sender.do(near.send(content))
    for far, content in zip(fars, contents):
        wait_until(lambda: far.content == content, 20, "the content does not come")
    for near in nears:
        sender._own_loop.call_soon_threadsafe(near.close)
    for far in fars:
        wait_until(lambda: far.has_ended, 20, "the end does not come")


def test_stream_between_raw_ends(world, couple):
    _, streamer = world
    sender, receiver = couple
    exchange(*sender.open(COMPONENT, streamer.address(), receiver.full_jid))


# Much content


class Sender(threading.Thread):
    """Sends a gibibyte in which no two blocks are alike, and ends its direction."""

    def __init__(self, peer):
        super().__init__(daemon=True)
        self.digest = hashlib.sha256()
        self._peer = peer
        self.start()

    def run(self):
        block = bytearray(os.urandom(BLOCK_BYTES))
        for number in range(GIBIBYTE // BLOCK_BYTES):
            block[:8] = number.to_bytes(8, "big")
            self.digest.update(block)
            self._peer.sendall(block)
        self._peer.shutdown(socket.SHUT_WR)


def test_gibibyte_is_the_same_at_the_other_end(streamer, requester, ends):
    near, far = ends(*requester.open(COMPONENT, streamer.address(), TARGET))
    sender, received = Sender(near), hashlib.sha256()
    received_bytes, block = 0, bytearray(BLOCK_BYTES)
    while count := far.recv_into(block):
        received.update(memoryview(block)[:count])
        received_bytes += count
    sender.join()
    assert (received_bytes, received.digest()) == (GIBIBYTE, sender.digest.digest())


# Hashes


def test_room_member_is_known_by_the_room_jid_only(streamer, requester, ends):
    """XEP-0065 section 4.1: the requester gives the target the hash as dstaddr."""
    occupant, sid = "room@rooms.example.org/Bob the Target", secrets.token_hex(8)
    near, far = ends(*requester.open(COMPONENT, streamer.address(), occupant, sid=sid))
    near.sendall(b"to the room's Bob")
    assert hear(far, 17) == b"to the room's Bob"


@pytest.mark.parametrize("change", [str.upper, str.title], ids=["upper case", "mixed case"])
def test_hash_in_capital_letters(streamer, requester, ends, change):
    sid = secrets.token_hex(8)
    name = stream_hash(sid, requester.full_jid, TARGET)
    far = ends(join(streamer.address(), change(name.decode()).encode()))
    near = ends(join(streamer.address(), name))
    requester.activate(COMPONENT, sid, TARGET)
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_target_with_unusual_characters(streamer, requester, ends):
    target = "žofie@straße.example/dómů & <zpět>"
    near, far = ends(*requester.open(COMPONENT, streamer.address(), target))
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_hash_of_prepared_jid_is_found(streamer, requester, ends):
    """Who writes a JID in capitals in the activation means the same stream."""
    sid, target = secrets.token_hex(8), "bob@example.org/Desk"
    _, near, far = requester.offer(streamer.address(), target, sid)
    ends(near, far)
    requester.activate(COMPONENT, sid, "BOB@Example.ORG/Desk")
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


# Before the activation


def test_bytes_before_activation_are_discarded(streamer, requester, ends):
    sid, near, far = requester.offer(streamer.address(), TARGET)
    ends(near, far)
    near.sendall(b"too early" * 1000)
    far.sendall(b"too early as well")
    # Nothing tells when the proxy has read it but that its kernel has acknowledged all.
    wait_until(lambda: unsent_bytes(near) == unsent_bytes(far) == 0, 10, "early bytes are stuck")
    assert is_quiet(near, QUIET_SECONDS) and is_quiet(far, QUIET_SECONDS)
    requester.activate(COMPONENT, sid, TARGET)
    near.sendall(b"in time")
    far.sendall(b"also")
    assert (hear(far, 7), hear(near, 4)) == (b"in time", b"also")


def test_early_flood_takes_no_memory_and_no_time(streamer, requester, ends):
    """Both sides send as fast as they can before the activation: 64 MiB each at most."""
    before_kib, before_seconds = streamer.user_kib(), streamer.cpu_seconds()
    sid, near, far = requester.offer(streamer.address(), TARGET)
    ends(near, far)
    sent_bytes = 0
    near.settimeout(QUIET_SECONDS)
    try:
        while sent_bytes < 64 << 20:
            sent_bytes += near.send(bytes(BLOCK_BYTES))
    except OSError:
        pass
    assert streamer.user_kib() - before_kib < 1024
    assert streamer.cpu_seconds() - before_seconds < 2


def test_activation_with_one_party_is_refused(streamer, requester, ends):
    sid = secrets.token_hex(8)
    name = stream_hash(sid, requester.full_jid, TARGET)
    lonely = ends(join(streamer.address(), name))
    question = requester.activation(COMPONENT, sid, TARGET)
    assert requester.refusal(*question) == ("cancel", "not-allowed")
    # It may come later.
    other = ends(join(streamer.address(), name))
    requester.activate(COMPONENT, sid, TARGET)
    lonely.sendall(b"content")
    assert hear(other, 7) == b"content"


def test_third_connection_is_refused_and_disturbs_nobody(streamer, requester, ends):
    sid, near, far = requester.offer(streamer.address(), TARGET)
    ends(near, far)
    name = stream_hash(sid, requester.full_jid, TARGET)
    for is_active in (False, True):
        third = ends(greet(streamer.address()))
        third.sendall(request(name))
        answer = hear_end(third)
        assert answer[:1] == b"\x05" and answer[1] in (2, 5)
        if not is_active:
            requester.activate(COMPONENT, sid, TARGET)
        near.sendall(b"content")
        assert hear(far, 7) == b"content"


def test_second_activation_is_refused_and_disturbs_nobody(streamer, requester, ends):
    sid, near, far = requester.offer(streamer.address(), TARGET)
    ends(near, far)
    requester.activate(COMPONENT, sid, TARGET)
    assert requester.refusal(*requester.activation(COMPONENT, sid, TARGET))[0] == "cancel"
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_hash_is_free_again_after_the_end(streamer, requester, ends):
    sid = secrets.token_hex(8)
    for content in (b"first", b"again"):
        near, far = ends(*requester.open(COMPONENT, streamer.address(), TARGET, sid=sid))
        near.sendall(content)
        assert hear(far, 5) == content
        near.close()
        assert hear_end(far) == b""
        far.close()
        streamer.wait_for_count(0, "streams", state="active")


def test_peer_that_leaves_before_activation_makes_room(streamer, requester, ends):
    sid = secrets.token_hex(8)
    name = stream_hash(sid, requester.full_jid, TARGET)
    join(streamer.address(), name).close()
    streamer.wait_for_count(0, "streams", state="waiting")
    near, far = ends(*requester.open(COMPONENT, streamer.address(), TARGET, sid=sid))
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


# Ends


@pytest.mark.parametrize("who", ["requester", "target"])
def test_half_close_passes_what_is_under_way(streamer, requester, ends, who):
    pair = ends(*requester.open(COMPONENT, streamer.address(), TARGET))
    first, second = pair if who == "requester" else reversed(pair)
    writer = threading.Thread(target=lambda: (first.sendall(CONTENT * 20),
                                              first.shutdown(socket.SHUT_WR)))
    writer.start()
    assert hear_end(second) == CONTENT * 20
    writer.join()
    # The other direction goes on.
    second.sendall(CONTENT)
    second.close()
    assert hear_end(first) == CONTENT


@pytest.mark.parametrize("who", ["requester", "target"])
def test_reset_ends_the_stream_on_both_sides(streamer, requester, ends, who):
    pair = requester.open(COMPONENT, streamer.address(), TARGET)
    first, second = pair if who == "requester" else reversed(pair)
    ends(second)
    first.sendall(b"content")
    assert hear(second, 7) == b"content"
    reset(first)
    assert hear_end(second) == b""


def test_slow_reader_holds_the_sender_and_loses_nothing(streamer, requester, ends):
    before_kib = streamer.user_kib()
    near, far = ends(*requester.open(COMPONENT, streamer.address(), TARGET,
                                     receive_buffer_bytes=4096))
    near.settimeout(2)
    sent = bytearray()
    try:
        while len(sent) < 2 * UNDER_WAY_BYTES_MAX:
            sent += CONTENT[:near.send(CONTENT)]
    except TimeoutError:
        pass
    assert len(sent) < UNDER_WAY_BYTES_MAX
    assert streamer.user_kib() - before_kib < 1024
    near.shutdown(socket.SHUT_WR)
    assert hear_end(far) == bytes(sent)


def test_slow_reader_does_not_slow_others(streamer, requester, ends):
    near, far = ends(*requester.open(COMPONENT, streamer.address(), TARGET,
                                     receive_buffer_bytes=4096))
    near.settimeout(0.2)
    try:
        while True:
            near.send(CONTENT)
    except TimeoutError:
        pass
    cpu_seconds = streamer.cpu_seconds()
    exchange(*requester.open(COMPONENT, streamer.address(), TARGET))
    assert is_quiet(near, 1)
    assert streamer.cpu_seconds() - cpu_seconds < 0.5


def test_many_streams_of_one_user_at_a_time(streamer, requester, ends):
    pairs = [requester.open(COMPONENT, streamer.address(), TARGET) for _ in range(15)]
    for number, (near, far) in enumerate(pairs):
        ends(near, far)
        near.sendall(CONTENT[:1000 + number])
    for number, (_, far) in enumerate(pairs):
        assert hear(far, 1000 + number) == CONTENT[:1000 + number]
