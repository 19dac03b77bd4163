"""socketstreamer: every limit of its configuration, at its exact value."""

import os
import re
import secrets
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from records import wait_until
from socks5 import (NO_LOGIN, NO_LOGIN_TAKEN, acceptance, connect, greet, hear, hear_end, is_quiet,
                    join, request, stream_hash)
from stream_client import StreamClient
from streamer import OWN_COMPONENT, TARGET

pytest_plugins = "streamer_site"

CONTENT = os.urandom(400_000)
RATE_BYTES = 1 << 20
CONSTRAINT = ("wait", "resource-constraint")


def some_hash():
    return secrets.token_hex(20).encode()


def is_refused(address):
    """True if a new stream gets no place: the answer says so, or the connection ends."""
    name = some_hash()
    try:
        with connect(address) as peer:
            peer.sendall(NO_LOGIN + request(name))
            expected = NO_LOGIN_TAKEN + acceptance(name)
            return hear_end(peer, len(expected)) != expected
    except ConnectionError:
        return True


def assert_refused(client, streamer, ends, limit):
    """The activation of one more stream is answered with the right error, and logged."""
    streamer.expect(f"JF0209: {client.boundjid.bare} .*{limit}")
    sid, near, far = client.offer(streamer.address(), TARGET)
    ends(near, far)
    assert client.refusal(*client.activation(OWN_COMPONENT, sid, TARGET)) == CONSTRAINT


def send_in_background(peer, content):
    def send():
        try:
            peer.sendall(content)
        except OSError:
            pass  # the stream has ended: that is what the limit is for

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    return sender


# Numbers


def test_streams_in_total(start_streamer, requester, ends):
    streamer = start_streamer("streams 2")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    sid, target = secrets.token_hex(8), "carol@example.org/home"
    name = stream_hash(sid, requester.full_jid, target)
    waiting = ends(join(streamer.address(), name))
    assert is_refused(streamer.address())
    # The other end of the stream that waits has its place.
    other = ends(join(streamer.address(), name))
    requester.activate(OWN_COMPONENT, sid, target)
    assert is_refused(streamer.address())
    near.sendall(b"content")
    assert hear(far, 7) == b"content"
    waiting.close()
    assert hear_end(other) == b""
    other.close()
    streamer.wait_for_count(1, "streams", state="active")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(b"content")
    assert hear(far, 7) == b"content"
    assert streamer.count("refused_total", reason="streams") == 2


def test_connections_that_say_nothing_count(start_streamer, ends):
    """Or anybody could have all descriptors."""
    streamer = start_streamer("streams 5")
    idle_descriptors = streamer.descriptors()
    silent = [ends(connect(streamer.address())) for _ in range(100)]
    wait_until(lambda: is_refused(streamer.address()), 10, "no end of connections")
    assert streamer.descriptors() - idle_descriptors <= 15
    for peer in silent:
        peer.close()
    wait_until(lambda: streamer.descriptors() <= idle_descriptors, 10, "connections are kept")


def test_streams_of_one_user(start_streamer, requester, new_client, streamer_prosody, ends):
    streamer = start_streamer("streams-per-jid 2")
    pairs = [ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)) for _ in range(2)]
    assert_refused(requester, streamer, ends, "streams-per-jid")
    others = new_client()
    ends(*others.open(OWN_COMPONENT, streamer.address(), TARGET))
    for near, far in pairs:
        near.sendall(b"content")
        assert hear(far, 7) == b"content"
    pairs[0][0].close()
    assert hear_end(pairs[0][1]) == b""
    pairs[0][1].close()
    streamer.wait_for_count(2, "streams", state="active")
    ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    assert streamer.count("refused_total", reason="streams-per-jid") == 1


def test_resources_of_one_user_count_together(start_streamer, streamer_prosody, ends):
    streamer, user = start_streamer("streams-per-jid 1"), streamer_prosody.new_user()
    with StreamClient(streamer_prosody, user, "phone") as phone, \
            StreamClient(streamer_prosody, user, "tablet") as tablet:
        ends(*phone.open(OWN_COMPONENT, streamer.address(), TARGET))
        assert_refused(tablet, streamer, ends, "streams-per-jid")


# Bytes


def test_bytes_of_a_stream(start_streamer, requester, ends):
    streamer = start_streamer("stream-bytes 100000")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    send_in_background(near, CONTENT)
    assert hear_end(far) == CONTENT[:100_000]
    streamer.wait_for("JF0210: .* 100000 bytes to bob@example.org/desk, 0 bytes to .*stream-bytes")


def test_bytes_of_a_stream_count_in_both_directions(start_streamer, requester, ends):
    streamer = start_streamer("stream-bytes 100000")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(CONTENT[:60_000])
    assert hear(far, 60_000) == CONTENT[:60_000]
    send_in_background(far, CONTENT)
    assert hear_end(near) == CONTENT[:40_000]
    assert hear_end(far) == b""


def test_stream_may_use_all_of_its_bytes(start_streamer, requester, ends):
    streamer = start_streamer("stream-bytes 100000")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(CONTENT[:100_000])
    near.close()
    assert hear_end(far) == CONTENT[:100_000]
    far.close()
    streamer.wait_for("JF0210: .* 100000 bytes to .* closed by")


def test_bytes_of_a_day(start_streamer, requester, new_client, ends):
    lines = ("day-bytes 200000", "allow *")
    streamer = start_streamer(*lines)
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(CONTENT[:100_000])
    assert hear(far, 100_000) == CONTENT[:100_000]
    far.sendall(CONTENT[:50_000])
    assert hear(near, 50_000) == CONTENT[:50_000]
    near.close()
    assert hear_end(far) == b""
    far.close()
    streamer.wait_for("JF0210")
    streamer.reload(*lines)
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    send_in_background(near, CONTENT)
    assert hear_end(far) == CONTENT[:50_000]
    streamer.wait_for("JF0210: .* 50000 bytes to .*day-bytes")
    assert_refused(requester, streamer, ends, "day-bytes")
    others = new_client()
    near, far = ends(*others.open(OWN_COMPONENT, streamer.address(), TARGET))
    near.sendall(b"content")
    assert hear(far, 7) == b"content"
    assert streamer.count("refused_total", reason="day-bytes") == 1


def test_streams_at_a_time_share_the_bytes_of_a_day(start_streamer, requester, ends):
    streamer = start_streamer("day-bytes 300000")
    pairs = [ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)) for _ in range(3)]
    for near, _ in pairs:
        send_in_background(near, CONTENT)
    assert sum(len(hear_end(far)) for _, far in pairs) == 300_000


# Pace


def paces_of_the_kernel(port):
    """The limits of all connections at a port, bytes per second."""
    said = subprocess.run(["ss", "-tinH", f"sport = :{port}"], check=True, text=True,
                          capture_output=True).stdout
    return [int(bits) / 8 for bits in re.findall(r"pacing_rate \d+bps/(\d+)bps", said)]


def test_rate(start_streamer, requester, ends):
    """Of each direction. The kernel paces; the daemon neither counts nor waits."""
    streamer = start_streamer("rate 1M")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    assert paces_of_the_kernel(streamer.address()[1]) == [RATE_BYTES] * 2
    content, begin, worked = os.urandom(2 * RATE_BYTES), time.monotonic(), streamer.cpu_seconds()
    send_in_background(near, content)
    send_in_background(far, content)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda end: hear(end, len(content)), (near, far))) == [content] * 2
    # What a bucket is full of in the beginning makes it a little faster.
    assert 1.5 < time.monotonic() - begin < 2 + 10 * streamer.env.patience
    assert streamer.cpu_seconds() - worked < 0.5 * streamer.env.patience


def test_new_rate_holds_for_streams_in_progress(start_streamer, requester, ends):
    streamer = start_streamer("rate 64K")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    streamer.reload("rate 1M")
    assert paces_of_the_kernel(streamer.address()[1]) == [RATE_BYTES] * 2
    near.sendall(CONTENT)
    assert hear(far, len(CONTENT)) == CONTENT


# Time


def ends_within(peer, least_seconds, begin, streamer, late_seconds=8):
    """The connection ends after so long, not before and not much later."""
    peer.settimeout(30 * streamer.env.patience)
    hear_end(peer)
    seconds = time.monotonic() - begin
    return least_seconds - 0.1 <= seconds < least_seconds + late_seconds * streamer.env.patience


def test_time_before_activation(start_streamer, requester, ends):
    streamer = start_streamer("activation-timeout 2")
    begin = time.monotonic()
    silent, greeted = ends(connect(streamer.address()), greet(streamer.address()))
    lonely = ends(join(streamer.address(), some_hash()))
    _, near, far = requester.offer(streamer.address(), TARGET)
    slow = ends(connect(streamer.address()))
    for byte in b"\x05\x05\x01":
        slow.sendall(bytes([byte]))
        assert is_quiet(slow, 0.3)
    for peer in (silent, greeted, lonely, *ends(near, far), slow):
        assert ends_within(peer, 2, begin, streamer)
    streamer.wait_for(r"JF0211: .*activation-timeout")
    streamer.wait_for_count(0, "streams", state="waiting")


def test_second_end_does_not_prolong_the_time_before_activation(start_streamer, ends):
    streamer = start_streamer("activation-timeout 6")
    name = some_hash()
    begin = time.monotonic()
    first = ends(join(streamer.address(), name))
    assert is_quiet(first, 4)
    ends(join(streamer.address(), name))
    assert ends_within(first, 6, begin, streamer, late_seconds=2)


def test_activated_stream_is_not_in_a_hurry(start_streamer, requester, ends):
    streamer = start_streamer("activation-timeout 3")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    assert is_quiet(far, 3.5)
    near.sendall(b"content")
    assert hear(far, 7) == b"content"


def test_idle_time(start_streamer, requester, ends):
    streamer = start_streamer("idle-timeout 3")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    # One direction is enough to live on.
    for _ in range(4):
        begin = time.monotonic()
        near.sendall(b"x")
        assert hear(far, 1) == b"x"
        assert is_quiet(far, 1)
    assert ends_within(far, 3, begin, streamer)
    assert hear_end(near) == b""
    streamer.wait_for("JF0210: .*idle")


def test_reader_that_never_reads_is_idle(start_streamer, requester, ends):
    """Full buffers are no traffic."""
    streamer = start_streamer("idle-timeout 1")
    near, _ = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET,
                                receive_buffer_bytes=4096))
    send_in_background(near, bytes(64 << 20))
    streamer.wait_for("JF0210: .*idle")


def test_time_in_total(start_streamer, requester, ends):
    streamer = start_streamer("total-timeout 1")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    begin = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begin < 20:
            near.sendall(b"x")
            time.sleep(0.05)
    assert 0.9 < time.monotonic() - begin < 1 + 3 * streamer.env.patience
    hear_end(far)
    streamer.wait_for("JF0210: .*total time")
