"""socketstreamer: restarts of its Jabber server, reloads, its own end, the service manager."""

import contextlib
import os
import resource
import secrets
import signal
import socket
import time

import pytest

from records import wait_until
from socks5 import connect, hear, hear_end, is_quiet, join
from stream_client import Refusal, StreamClient
from streamer import (COMPONENT, DISCONNECTED, END_SECONDS, NOT_RELOADED, OWN_COMPONENT, TARGET,
                      start_component_server, streamer_starter)
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody

pytest_plugins = "streamer_site"

CONNECTIONS = 1100
FILES_MAX = 64
IDLE_STREAMS = 500
IDLE_STREAM_BYTES_MAX = 4096


@pytest.fixture
def many_files():
    """Room for thousands of connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def still_flows(near, far):
    near.sendall(b"content")
    far.sendall(b"answer")
    return hear(far, 7) == b"content" and hear(near, 6) == b"answer"


def is_open(streamer, number=0):
    try:
        connect(streamer.address(number)).close()
        return True
    # Reset: it was closed between the connection and its being taken.
    except (ConnectionRefusedError, ConnectionResetError):
        return False


# The Jabber server goes and comes


@pytest.mark.parametrize("kind", [Prosody, Ejabberd], ids=lambda kind: kind.name)
def test_streams_outlive_the_jabber_server(start_own_xmpp, start_streamer, ends, many_files, kind):
    """Even with more descriptors than select() can have."""
    xmpp = start_component_server(start_own_xmpp, kind)
    user = xmpp.new_user()
    streamer = start_streamer(xmpp=xmpp)
    streamer.expect(DISCONNECTED)
    with StreamClient(xmpp, user) as client:
        near, far = ends(*client.open(OWN_COMPONENT, streamer.address(), TARGET))
    waiting = [ends(join(streamer.address(), secrets.token_hex(20).encode()))
               for _ in range(CONNECTIONS)]
    assert streamer.descriptors() > CONNECTIONS
    with xmpp.stopped():
        wait_until(lambda: streamer.count("component_connected") == 0, 20, "it does not notice")
        assert still_flows(near, far)
    streamer.wait_until_connected()
    assert still_flows(near, far)
    with StreamClient(xmpp, user) as client:
        assert still_flows(*ends(*client.open(OWN_COMPONENT, streamer.address(), TARGET)))
    for peer in waiting:
        peer.close()


def test_starts_without_the_jabber_server(start_own_xmpp, start_streamer, ends):
    xmpp = start_component_server(start_own_xmpp, Prosody)
    user = xmpp.new_user()
    with xmpp.stopped():
        streamer = start_streamer(xmpp=xmpp, connected=False)
        streamer.expect(DISCONNECTED)
        streamer.wait_for(DISCONNECTED)
        assert streamer.count("component_connected") == 0
        begin, worked = time.monotonic(), streamer.cpu_seconds()
        while time.monotonic() - begin < 1:
            time.sleep(0.2)
        assert streamer.cpu_seconds() - worked < 0.3
    streamer.wait_until_connected()
    with StreamClient(xmpp, user) as client:
        assert still_flows(*ends(*client.open(OWN_COMPONENT, streamer.address(), TARGET)))


def test_wrong_secret_is_said_and_can_be_corrected(start_streamer, requester):
    streamer = start_streamer(connected=False, secret="wrong")
    streamer.expect(DISCONNECTED)
    streamer.wait_for(DISCONNECTED)
    text = "\n".join(streamer.lines())
    assert "wrong\n" not in text and streamer.right_secret not in text
    streamer.write_secret(streamer.right_secret)
    streamer.reload()
    streamer.wait_until_connected()
    assert requester.addresses(OWN_COMPONENT)


def test_server_that_hangs_is_no_reason_to_stop(start_own_xmpp, start_streamer, ends):
    xmpp = start_component_server(start_own_xmpp, Prosody)
    streamer = start_streamer(xmpp=xmpp)
    with StreamClient(xmpp, xmpp.new_user()) as client:
        near, far = ends(*client.open(OWN_COMPONENT, streamer.address(), TARGET))
        with xmpp.hanging():
            assert still_flows(near, far)


# New configurations


def test_new_limits_hold_for_new_streams(start_streamer, requester, ends):
    streamer = start_streamer("streams-per-jid 1")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    streamer.reload("streams-per-jid 2")
    assert still_flows(near, far)
    assert still_flows(*ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)))


def test_bad_configuration_changes_nothing(start_streamer, requester, ends):
    streamer = start_streamer("streams-per-jid 1")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    streamer.expect(NOT_RELOADED)
    streamer.write("streams-per-jid 2", "streams many")
    streamer.signal(signal.SIGHUP)
    line = streamer.wait_for(f"{NOT_RELOADED}: .*").group(0)
    assert "socketstreamer.conf" in line and " streams: " in line
    assert still_flows(near, far)
    streamer.expect("JF0209")
    sid, *pair = requester.offer(streamer.address(), TARGET)
    ends(*pair)
    assert requester.refusal(*requester.activation(OWN_COMPONENT, sid, TARGET))[1] \
        == "resource-constraint"


def test_addresses_move(start_streamer, requester, ends):
    streamer = start_streamer(listen=("127.0.0.1", "127.0.0.2"))
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(0), TARGET))
    assert is_open(streamer, 0) and is_open(streamer, 1)
    streamer.listen_only(1)
    streamer.reload()
    assert not is_open(streamer, 0) and is_open(streamer, 1)
    assert requester.addresses(OWN_COMPONENT) == [(OWN_COMPONENT, *streamer.address(1))]
    assert still_flows(near, far)
    streamer.listen_only(0, 1)
    streamer.reload()
    assert is_open(streamer, 0) and is_open(streamer, 1)


def test_taken_address_is_said_and_the_rest_goes_on(start_streamer, requester):
    streamer = start_streamer()
    with contextlib.closing(taken_port()) as taken:
        streamer.expect(NOT_RELOADED)
        before = len(streamer.lines())
        streamer.write(f"listen 127.0.0.1:{taken.getsockname()[1]}")
        streamer.signal(signal.SIGHUP)
        port = str(taken.getsockname()[1])
        streamer.wait_for(f"{NOT_RELOADED}: .*{port}", after=before)
    assert is_open(streamer) and requester.addresses(OWN_COMPONENT)


def taken_port():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_component_moves(start_streamer, requester):
    """Nobody else is COMPONENT while the tests of this file run."""
    streamer = start_streamer()
    streamer.become(COMPONENT)
    streamer.reload()
    wait_until(lambda: answers(requester, COMPONENT), 30, "it is not the other component")
    assert not answers(requester, OWN_COMPONENT)


def answers(client, component):
    try:
        return client.addresses(component)
    except Refusal:
        return False


# Its end


def test_end_waits_for_active_streams(start_streamer, requester, ends):
    streamer = start_streamer("drain-timeout 60")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    _, *waiting = requester.offer(streamer.address(), TARGET)
    ends(*waiting)
    streamer.signal(signal.SIGTERM)
    wait_until(lambda: not is_open(streamer), 10, "it still listens")
    # Nobody can activate these any more.
    assert [hear_end(peer) for peer in waiting] == [b"", b""]
    assert not answers(requester, OWN_COMPONENT)
    assert still_flows(near, far)
    assert is_quiet(far, 1)
    near.close()
    assert hear_end(far) == b""
    far.close()
    assert streamer.wait_for_end() == 0


def test_end_does_not_wait_for_ever(start_streamer, requester, ends):
    streamer = start_streamer("drain-timeout 1")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    begin = time.monotonic()
    streamer.signal(signal.SIGTERM)
    assert hear_end(far) == hear_end(near) == b""
    assert streamer.wait_for_end() == 0
    assert 0.9 < time.monotonic() - begin < 1 + 3 * streamer.env.patience
    streamer.wait_for("JF0210: .*drained")


def test_second_signal_ends_at_once(start_streamer, requester, ends):
    streamer = start_streamer("drain-timeout 60")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    streamer.signal(signal.SIGTERM)
    wait_until(lambda: not is_open(streamer), 10, "it still listens")
    begin = time.monotonic()
    streamer.signal(signal.SIGTERM)
    assert streamer.wait_for_end() == 0
    assert time.monotonic() - begin < 5 * streamer.env.patience < END_SECONDS
    assert hear_end(far) == hear_end(near) == b""


def test_end_without_streams_is_quick(start_streamer):
    streamer = start_streamer()
    begin = time.monotonic()
    streamer.signal(signal.SIGTERM)
    assert streamer.wait_for_end() == 0
    assert time.monotonic() - begin < 5 * streamer.env.patience


# The service manager


def test_service_manager_is_told(start_streamer):
    streamer = start_streamer()  # has waited for READY=1
    streamer.reload("streams 100")
    said = streamer.next_notification("STATUS")
    assert said["RELOADING"] == "1" and int(said["MONOTONIC_USEC"]) > 0
    assert streamer.next_notification("STATUS")["READY"] == "1"
    streamer.signal(signal.SIGTERM)
    assert streamer.next_notification("STATUS")["STOPPING"] == "1"
    assert streamer.wait_for_end() == 0


# Descriptors and memory


def test_crowd_that_takes_all_descriptors(start_streamer, requester, ends):
    """Streams go on, nothing turns in circles, and later there is room again."""
    streamer = start_streamer(files_max=FILES_MAX)
    streamer.expect("JF0206")
    near, far = ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET))
    crowd = [ends(connect(streamer.address())) for _ in range(2 * FILES_MAX)]
    streamer.wait_for("JF0206")
    worked = streamer.cpu_seconds()
    assert is_quiet(far, 1)
    assert streamer.cpu_seconds() - worked < 0.3 * streamer.env.patience
    assert still_flows(near, far)
    assert requester.addresses(OWN_COMPONENT)
    for peer in crowd:
        peer.close()
    assert still_flows(*ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)))


def test_idle_stream_takes_little_memory(start_streamer, requester, ends, many_files, measure):
    streamer = start_streamer("streams-per-jid 10000")
    # The first ones bring what all need.
    for _ in range(IDLE_STREAMS // 10):
        still_flows(*ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)))
    before_kib = streamer.user_kib()
    for _ in range(IDLE_STREAMS):
        still_flows(*ends(*requester.open(OWN_COMPONENT, streamer.address(), TARGET)))
    of_each_bytes = (streamer.user_kib() - before_kib) * 1024 / IDLE_STREAMS
    measure(f"socketstreamer: {of_each_bytes:.0f} bytes of memory for an idle stream")
    # A sanitizer's allocator has rooms of its own around each block.
    assert of_each_bytes < IDLE_STREAM_BYTES_MAX * (4 if streamer.env.has_sanitizers else 1)


def test_descriptors_come_back(start_streamer, requester):
    streamer = start_streamer()
    before = streamer.descriptors()
    for _ in range(30):
        near, far = requester.open(OWN_COMPONENT, streamer.address(), TARGET)
        with near, far:
            near.sendall(os.urandom(100_000))
            hear(far, 100_000)
    streamer.wait_for_count(0, "streams", state="active")
    wait_until(lambda: streamer.descriptors() <= before + 16, 10, "descriptors are kept")


def test_two_daemons_do_not_mix(env, streamer_program, work_dir, streamer_prosody, start_streamer,
                                requester, ends):
    with streamer_starter(env, streamer_program, work_dir) as start:
        other = start(streamer_prosody, COMPONENT)
        own = start_streamer()
        sid, near, far = requester.offer(own.address(), TARGET)
        ends(near, far)
        assert requester.refusal(*requester.activation(COMPONENT, sid, TARGET))[1] in (
            "item-not-found", "not-authorized")
        requester.activate(OWN_COMPONENT, sid, TARGET)
        assert still_flows(near, far)
        assert other.count("streams", state="active") == 0
