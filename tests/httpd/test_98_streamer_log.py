"""socketstreamer: one line of the log for each stream, and counters that count exactly."""

import http.client
import os
import re
import secrets

import pytest

from records import wait_until
from scrape import kinds_of
from socks5 import connect, greet, hear, hear_end, request, reset, stream_hash
from streamer import OWN_COMPONENT, TARGET

pytest_plugins = "streamer_site"

CONTENT = os.urandom(123_456)
KINDS = {"streamer_streams": "gauge", "streamer_streams_ended": "counter",
         "streamer_bytes": "counter", "streamer_refused": "counter",
         "streamer_component_connected": "gauge"}


@pytest.fixture
def own(start_streamer):
    return start_streamer()


def stream_lines(streamer, count, tag="JF0210"):
    """The lines about so many streams that have ended; there are no more of them."""
    def find():
        return [line for line in streamer.lines() if tag in line]
    wait_until(lambda: len(find()) >= count, 10 * streamer.env.patience, f"not {count} streams")
    assert len(find()) == count, find()
    return find()


def transfer(near, far, answer=b""):
    near.sendall(CONTENT)
    assert hear(far, len(CONTENT)) == CONTENT
    far.sendall(answer)
    assert hear(near, len(answer)) == answer


# Lines


@pytest.mark.parametrize("who", ["requester", "target"])
def test_line_of_a_stream(own, requester, ends, who):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    transfer(near, far, b"answer")
    first, second = (near, far) if who == "requester" else (far, near)
    first.close()
    assert hear_end(second) == b""
    second.close()
    line, = stream_lines(own, 1)
    jid = requester.full_jid
    closer = jid if who == "requester" else TARGET
    match = re.fullmatch(r"JF0210: stream \d+ (.*), \d+ ms, (.*)", line)
    assert match and match.groups() == (
        f"from {jid} to {TARGET}: {len(CONTENT)} bytes to {TARGET}, 6 bytes to {jid}",
        f"closed by {closer}"), line


def test_line_of_a_broken_stream(own, requester, ends):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    transfer(near, far)
    reset(near)
    assert hear_end(far) == b""
    line, = stream_lines(own, 1)
    assert f": {len(CONTENT)} bytes to {TARGET}, 0 bytes to {requester.full_jid}," in line
    assert line.endswith(f" broken by {requester.full_jid}")


def test_line_of_a_stream_whose_reader_breaks_off(own, requester, ends):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    transfer(near, far)
    reset(far)
    try:
        while near.send(CONTENT):
            pass
    except OSError:
        pass
    line, = stream_lines(own, 1)
    assert line.endswith(f" broken by {TARGET}")


def test_line_of_a_stream_that_was_never_activated(own, requester):
    _, near, far = requester.offer(own.address(), TARGET)
    near.close()
    far.close()
    line, = stream_lines(own, 1, "JF0211")
    assert "bytes" not in line


def test_duration_is_that_of_the_stream(own, requester, ends):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    near.settimeout(0.5)
    with pytest.raises(TimeoutError):
        near.recv(1)
    near.close()
    assert hear_end(far) == b""
    far.close()
    line, = stream_lines(own, 1)
    assert 500 <= int(re.search(r" (\d+) ms,", line).group(1)) < 500 + 5000 * own.env.patience


@pytest.mark.parametrize("target", [
    "bob@example.org/a\x7fb", "bob@example.org/\u202eevil\u202c", "bob@example.org/line\u2028break",
    "bob@example.org/JF0210: stream 1", "bob@example.org/\u009b31mred"],
    ids=["DEL", "direction", "line separator", "tag", "CSI"])
def test_foreign_text_is_written_harmlessly(own, requester, ends, target):
    """A JID of such characters is refused, or its line has none of them."""
    sid = secrets.token_hex(8)
    _, near, far = requester.offer(own.address(), target, sid)
    ends(near, far)
    try:
        requester.activate(OWN_COMPONENT, sid, target)
    except Exception as refusal:
        assert "jid-malformed" in str(refusal) or "bad-request" in str(refusal)
    near.close()
    far.close()
    wait_until(lambda: any("JF021" in line for line in own.lines()), 10, "no line")
    lines = [line for line in own.lines() if "JF021" in line]
    assert len(lines) == 1, lines
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", lines[0])


# Counters


def test_page_is_openmetrics(own):
    page = own.scrape()
    kinds = kinds_of(page)
    assert KINDS.items() <= kinds.items()
    assert all(family.documentation for family in page.families.values())
    assert page.text.endswith("# EOF\n")


def test_counters_count_exactly(own, requester, ends):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    assert own.count("streams", state="active") == 1
    _, *waiting = requester.offer(own.address(), TARGET)
    assert own.count("streams", state="waiting") >= 1
    transfer(near, far, b"12345")
    own.wait_for_count(len(CONTENT) + 5, "bytes_total")
    for peer in (*ends(*waiting), near, far):
        peer.close()
    own.wait_for_count(0, "streams", state="active")
    own.wait_for_count(0, "streams", state="waiting")
    assert own.count("bytes_total") == len(CONTENT) + 5
    assert own.count("component_connected") == 1
    ended = {dict(labels)["cause"]: value for (name, *labels), value in own.scrape().samples.items()
             if name == "jabberfiles_streamer_streams_ended_total"}
    assert {cause: count for cause, count in ended.items() if count} == {"finished": 1}


def test_bytes_before_activation_are_not_counted(own, requester, ends):
    sid, near, far = requester.offer(own.address(), TARGET)
    ends(near, far)
    near.sendall(b"early" * 100)
    # The proxy has read them when it answers a later connection.
    requester.refusal(*requester.activation(OWN_COMPONENT, sid + "x", TARGET))
    requester.activate(OWN_COMPONENT, sid, TARGET)
    near.sendall(b"content")
    data = hear(far, 7)
    assert data == b"content"
    own.wait_for_count(7, "bytes_total")


def test_refusals_are_counted_by_reason(own, requester):
    peers = [greet(own.address()) for _ in range(3)]
    for peer, question in zip(peers, (request(b"x" * 40), request(bytes(4), kind=1),
                                      request(b"0" * 40, command=2))):
        peer.sendall(question)
        hear_end(peer)
        peer.close()
    assert own.count("refused_total", reason="socks") == 3
    sid, near, far = requester.offer(own.address(), TARGET)
    third = greet(own.address())
    with near, far, third:
        third.sendall(request(stream_hash(sid, requester.full_jid, TARGET)))
        hear_end(third)
    total = sum(value for (name, *_), value in own.scrape().samples.items()
                if name == "jabberfiles_streamer_refused_total")
    assert (total, own.count("refused_total", reason="third")) == (4, 1)


# The page's server


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/", {404}), ("GET", "/metrics/", {404}), ("GET", "/%2e%2e/etc/passwd", {404}),
    ("POST", "/metrics", {405, 501}), ("DELETE", "/metrics", {405, 501}),
    ("HEAD", "/metrics", {200, 405, 501})])
def test_other_requests(streamer, method, path, status):
    connection = http.client.HTTPConnection("127.0.0.1", streamer.metrics_port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    assert answer.status in status
    assert b"jabberfiles" not in answer.read()
    connection.close()
    assert streamer.count("component_connected") == 1


def test_hostile_requests_disturb_nobody(own, requester, ends):
    near, far = ends(*requester.open(OWN_COMPONENT, own.address(), TARGET))
    crowd = [ends(connect(("127.0.0.1", own.metrics_port))) for _ in range(50)]
    for number, peer in enumerate(crowd):
        peer.sendall([b"GET /metrics HTTP/1.1\r\n", b"G" * 100_000, b"\r\n\r\n",
                      b"GET /metrics HTTP/1.1\r\nA: " + b"b" * 100_000, b"\0"][number % 5])
    transfer(near, far)
    assert own.count("streams", state="active") == 1
    for peer in crowd:
        peer.close()
    transfer(near, far)


def test_metrics_are_for_this_machine_only(streamer):
    with open("/proc/net/tcp", encoding="ascii") as table:
        port = f":{streamer.metrics_port:04X}"
        listeners = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [name for name in listeners if name.endswith(port)] == [f"0100007F{port}"]
