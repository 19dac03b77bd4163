"""Peers that mean harm offer files to jabberfiles receive by Jingle, and knock at the port that it
opens for one upload: nothing is kept that was not announced, and nobody but the peer has a say."""

import contextlib
import hashlib
import os
import socket
from urllib.parse import urlsplit

import pytest

from jingle_peer import (COMPLETED, RECEIVED, UPLOAD, JinglePeer, condition, describe, digest,
                         reason, wrap)
from receiver import bare
from records import wait_until

CONTENT = os.urandom(200_000)
HALF = len(CONTENT) // 2
SECONDS_MAX = 60
INFO = "<strange xmlns='urn:example:strange'/>"


@pytest.fixture
def eve(prosody):
    with JinglePeer(prosody, prosody.new_user()) as peer:
        yield peer


@pytest.fixture
def start(receiver):
    """Starts the tool, which takes what anybody sends; returns it and its full JID."""
    with contextlib.ExitStack() as stack:
        def begin(*more):
            running, jid = receiver.start("--yes", *more, is_private=False)
            return stack.enter_context(running), jid

        yield begin


def request(url, head, body=b"", path=None):
    """Connects and sends a request; the socket."""
    parts = urlsplit(url)
    made = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS_MAX)
    line = head.replace("PATH", path or parts.path, 1)
    made.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n".encode() + body)
    return made


def fields(*lines):
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def status(made):
    """The status of the answer; 0 if there is none."""
    with made, contextlib.suppress(ConnectionResetError), made.makefile("rb") as answers:
        line = answers.readline()
        return int(line.split()[1]) if line else 0
    return 0


def deliver(peer, jid, content=CONTENT, sid="s1"):
    """Puts the file that is waited for, and says so."""
    assert ask(peer.wait_for_place(), "PUT PATH", length(content)) == 201
    peer.do(jid, "transport-info", sid, COMPLETED)


def ask(url, head, body=fields(), path=None):
    return status(request(url, head, body, path))


def length(content):
    return fields(f"Content-Length: {len(content)}") + content


def chunked(content, end=b"0\r\n\r\n"):
    return fields("Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(content), content) + end


def check_failed(receiver, running, eve, why):
    """The offer has come to nothing, and both sides know."""
    assert eve.end_reason() == why
    assert running.wait_for_object(type="failed")["reason"]
    assert running.stop().code == 0
    assert receiver.saved() == {}
    assert eve.actions("session-info") == []


# What is put


NOT_THE_FILE = {
    "too much": (chunked(CONTENT + b"x"), "failed-application"),
    "too little": (chunked(CONTENT[:-1]), "failed-application"),
    "cut off": (length(CONTENT)[:-1000], "failed-transport"),
    "cut off in chunks": (chunked(CONTENT[:HALF], b""), "failed-transport"),
    "broken chunks": (chunked(CONTENT[:HALF], b"nonsense\r\n"), "failed-transport"),
    "other bytes": (length(CONTENT[::-1]), "failed-application"),
    "other end": (chunked(CONTENT[:-1] + b"\0"), "failed-application"),
}


def test_what_is_not_the_file_is_not_kept(receiver, start, eve):
    running, jid = start()
    for name, (body, why) in NOT_THE_FILE.items():
        eve.offer(jid, CONTENT, name)
        with request(eve.wait_for_place(name), "PUT PATH", body) as made:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_WR)
            assert eve.end_reason(name) == why, name
    assert eve.actions("session-info") == []
    done = running.stop()
    assert [each["type"] for each in done.objects].count("failed") == len(NOT_THE_FILE)
    assert receiver.saved() == {}


def test_a_wrong_digest_is_found_although_all_seems_well(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT, sha256=digest(b"other"))
    assert ask(eve.wait_for_place(), "PUT PATH", length(CONTENT)) == 201
    eve.do(jid, "transport-info", "s1", COMPLETED)
    check_failed(receiver, running, eve, "failed-application")


def test_who_knocks_otherwise_is_refused_and_hinders_nobody(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT)
    url = eve.wait_for_place()
    right = urlsplit(url).path
    assert ask(url, "PUT PATH", length(CONTENT), "/") == 404
    assert ask(url, "PUT PATH", length(CONTENT), right[:-1]) == 404
    assert ask(url, "PUT PATH", length(CONTENT), f"{right}/notes.bin") == 404
    assert ask(url, "PUT PATH", length(CONTENT), f"{right[:-1]}{chr(ord(right[-1]) ^ 1)}") == 404
    assert ask(url, "GET PATH") == 405
    assert ask(url, "DELETE PATH") == 405
    assert ask(url, "POST PATH", length(CONTENT)) == 405
    assert ask(url, "PUT PATH", fields("Content-Length: 200001")) == 413
    assert ask(url, "PUT PATH", fields(f"Content-Length: {1 << 62}")) == 413
    assert ask(url, "PUT PATH", fields("Content-Length: 199999")) == 400
    assert ask(url, "PUT PATH", fields("Content-Length: -1")) in (0, 400)
    assert ask(url, "PUT PATH") == 411
    assert ask(url, "PUT PATH", fields("Content-Encoding: gzip") + length(CONTENT)) in (0, 415)
    assert ask(url, "PUT PATH", b"Content-Encoding: gzip\r\n" + length(CONTENT)) == 415
    assert ask(url, "PUT PATH", b"Content-Range: bytes 0-9/10\r\n" + length(CONTENT)) == 400
    assert ask(url, "PUT PATH", b"X: " + b"x" * 300_000 + b"\r\n" + fields()) in (0, 431)
    assert ask(url, "PUT PATH", b"X: y\r\n" * 100_000 + fields()) in (0, 431)
    assert ask(url, "PUT /" + "x" * 300_000) in (0, 414, 431)
    assert ask(url, "\0\xff PATH") in (0, 400, 404)
    with request(url, "PUT PATH", length(CONTENT)[:-HALF]) as made:
        wait_until(lambda: any(receiver.saved().values()), SECONDS_MAX, "nothing arrives")
        assert ask(url, "PUT PATH", length(CONTENT)) == 409
        assert ask(url, "GET PATH") == 405
        made.sendall(CONTENT[-HALF:])
        assert status(made) == 201
    assert ask(url, "PUT PATH", length(CONTENT)) in (0, 409)
    eve.do(jid, "transport-info", "s1", COMPLETED)
    assert eve.end_reason() == "success"
    running.wait_for_object(type="file")
    assert receiver.saved() == {"notes.bin": CONTENT}
    with pytest.raises(ConnectionRefusedError):
        request(url, "PUT PATH")


def test_silent_connections_lock_nobody_out(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT)
    url = eve.wait_for_place()
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(request(url, "PUT PATH", b"X: half a"))
        deliver(eve, jid)
    running.wait_for_object(type="file")


NAMES = ("../../.bashrc", "/etc/passwd", "..\\..\\evil.exe", ".profile", "-rf", "\u202egpj.exe",
         "a\u0085b", "x" * 1000, "notes.bin.part")


def test_a_claimed_name_stays_in_the_directory(receiver, start, eve):
    before = set(receiver.tool.home.iterdir())
    running, jid = start()
    for number, name in enumerate(NAMES):
        eve.offer(jid, b"evil", str(number), name=name)
        assert ask(eve.wait_for_place(str(number)), "PUT PATH", length(b"evil")) == 201
        eve.do(jid, "transport-info", str(number), COMPLETED)
    wait_until(lambda: len(eve.actions("session-terminate")) == len(NAMES), SECONDS_MAX, "no end")
    assert running.stop().code == 0
    saved = receiver.saved()
    assert list(saved.values()) == [b"evil"] * len(NAMES)
    for kept in saved:
        assert not kept.startswith((".", "-")) and not kept.endswith(".part")
        assert "\u202e" not in kept and "\u0085" not in kept and len(kept) <= 200
    new = {path.name for path in set(receiver.tool.home.iterdir()) - before}
    assert all(name.startswith(".running-") for name in new)


def test_an_existing_file_is_not_replaced(receiver, start, eve):
    (receiver.files / "notes.bin").write_bytes(b"mine")
    running, jid = start()
    eve.offer(jid, CONTENT)
    deliver(eve, jid)
    running.wait_for_object(type="file")
    assert receiver.saved() == {"notes.bin": b"mine", "notes-1.bin": CONTENT}


# What is said


def test_a_session_that_ends_amid_the_upload_leaves_nothing(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT)
    with request(eve.wait_for_place(), "PUT PATH", length(CONTENT)[:-HALF]):
        wait_until(lambda: any(receiver.saved().values()), SECONDS_MAX, "nothing arrives")
        eve.do(jid, "session-terminate", "s1", "<reason><cancel/><text>a&#10;b</text></reason>")
        assert "a b" in running.wait_for_object(type="failed")["reason"]
    assert running.stop().code == 0
    assert receiver.saved() == {}


def test_a_sender_who_vanishes_leaves_nothing(receiver, start, prosody):
    running, jid = start()
    with JinglePeer(prosody, prosody.new_user()) as mallory:
        mallory.offer(jid, CONTENT)
        made = request(mallory.wait_for_place(), "PUT PATH", length(CONTENT)[:-HALF])
        wait_until(lambda: any(receiver.saved().values()), SECONDS_MAX, "nothing arrives")
    made.close()
    running.wait_for_object(type="failed")
    assert running.stop().code == 0
    assert receiver.saved() == {}


def test_presence_tells_of_a_sender_who_has_gone(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT)
    with request(eve.wait_for_place(), "PUT PATH", length(CONTENT)[:-HALF]):
        eve.say(f"<presence type='unavailable' to='{jid}'/>")
        running.wait_for_object(type="failed")
    assert running.stop().code == 0
    assert receiver.saved() == {}


def test_what_comes_at_the_wrong_time_is_refused(receiver, start, eve, prosody):
    running, jid = start()
    for action in ("session-accept", "session-terminate", "session-info", "transport-info",
                   "transport-replace", "transport-accept", "content-add"):
        assert condition(eve.ask(jid, action, "none", wrap())) == [
            "item-not-found", "unknown-session"]
    assert condition(eve.ask(jid, "session-initiate", None, wrap(describe(CONTENT)))) \
        == ["bad-request"]
    assert condition(eve.ask(jid, "session-initiate", "x" * 1000, wrap(describe(CONTENT)))) \
        == ["bad-request"]
    eve.offer(jid, CONTENT)
    eve.wait_for_place()
    assert condition(eve.ask(jid, "session-initiate", "s1", wrap(describe(b"other")))) \
        == ["unexpected-request", "out-of-order"]
    for action, content in (("session-accept", wrap()), ("session-info", RECEIVED),
                            ("transport-accept", wrap()), ("transport-reject", wrap())):
        assert condition(eve.ask(jid, action, "s1", content)) \
            == ["unexpected-request", "out-of-order"]
    assert condition(eve.ask(jid, "session-info", "s1", INFO)) \
        == ["feature-not-implemented", "unsupported-info"]
    assert condition(eve.ask(jid, "content-add", "s1", wrap(describe(b"other")))) \
        == ["feature-not-implemented"]
    assert condition(eve.ask(jid, "transport-info", "s1")) == ["bad-request"]
    eve.do(jid, "session-info", "s1")
    with JinglePeer(prosody, prosody.new_user()) as mallory:
        assert condition(mallory.ask(jid, "session-terminate", "s1", reason("cancel"))) \
            == ["item-not-found", "unknown-session"]
    deliver(eve, jid)
    running.wait_for_object(type="file")
    assert receiver.saved() == {"notes.bin": CONTENT}


def test_another_transport_in_between_is_rejected(receiver, start, eve):
    running, jid = start()
    eve.offer(jid, CONTENT)
    eve.wait_for_place()
    other = "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='x'/>"
    eve.do(jid, "transport-replace", "s1", wrap(transport=other))
    rejected = eve.wait_for_action("transport-reject")
    assert rejected.find(".//{urn:xmpp:jingle:transports:ibb:1}transport") is not None
    deliver(eve, jid)
    running.wait_for_object(type="file")


NOT_TO_BE_TAKEN = {
    "no digest": (wrap(describe(CONTENT, sha256=None)), "applications"),
    "no SHA-256": (wrap(describe(CONTENT, sha256="QUJD")), "applications"),
    "no size": (wrap(describe(CONTENT, size=None)), "applications"),
    "negative": (wrap(describe(CONTENT, size="-1")), "applications"),
    "request": (wrap(describe(CONTENT), senders="responder"), "applications"),
    "call": (wrap("<description xmlns='urn:xmpp:jingle:apps:rtp:1'/>"), "applications"),
    "two": (2 * wrap(describe(CONTENT)), "applications"),
    "none": ("", "applications"),
    "IBB": (wrap(describe(CONTENT), "<transport xmlns='urn:xmpp:jingle:transports:ibb:1'/>"),
            "transports"),
    "no transport": (wrap(describe(CONTENT), ""), "transports"),
    "something else": (wrap(describe(CONTENT), f"<candidate xmlns='{UPLOAD}'/>"), "transports"),
}


def test_what_cannot_be_taken_is_refused_at_once(start, eve):
    running, jid = start()
    for name, (content, _) in NOT_TO_BE_TAKEN.items():
        eve.do(jid, "session-initiate", name, content)
    wait_until(lambda: len(eve.actions("session-terminate")) == len(NOT_TO_BE_TAKEN), SECONDS_MAX,
               f"no end: {eve.arrived}")
    ends = {jingle.get("sid"): jingle[0][0].tag.rpartition("}")[2]
            for jingle in eve.actions("session-terminate")}
    assert ends == {name: f"unsupported-{why}" for name, (_, why) in NOT_TO_BE_TAKEN.items()}
    assert [each["type"] for each in running.objects] == ["online"]


def test_a_flood_of_offers_is_turned_away(receiver, eve):
    with receiver.tool.on_terminal(*receiver.arguments("--json", is_private=False)) as terminal:
        terminal.expect('"online"').expect("}")
        jid = terminal.screen.split('"jid"')[1].split('"')[1]
        eve.offer(jid, CONTENT, "first")
        terminal.expect("Download ")
        for i in range(50):
            eve.begin(jid, "session-initiate", f"s{i}", wrap(describe(CONTENT)))
        assert condition(eve.ask(jid, "session-initiate", "late", wrap(describe(CONTENT)))) \
            == ["resource-constraint"]
        eve.do(jid, "session-terminate", "s7", reason("cancel"))
        assert condition(eve.ask(jid, "session-terminate", "late", reason("cancel"))) \
            == ["item-not-found", "unknown-session"]


def test_an_offer_that_is_taken_back_asks_nobody(receiver, eve):
    with receiver.tool.on_terminal(*receiver.arguments("--json", is_private=False)) as terminal:
        terminal.expect('"online"').expect("}")
        jid = terminal.screen.split('"jid"')[1].split('"')[1]
        eve.offer(jid, CONTENT, "first")
        terminal.expect("Download ")
        eve.offer(jid, CONTENT, "second", name="second.bin")
        eve.do(jid, "session-terminate", "second", reason("cancel"))
        eve.do(jid, "session-terminate", "first", reason("cancel"))
        terminal.type("y").expect('"failed"').expect("broken off by the other side")
        terminal.expect("second.bin").expect("the sender has taken it back")
    assert eve.actions("session-accept") == []
    assert receiver.saved() == {}


def test_two_at_once_come_one_after_the_other(receiver, start, eve, prosody):
    running, jid = start()
    with JinglePeer(prosody, prosody.new_user()) as mallory:
        eve.offer(jid, CONTENT, name="one.bin")
        eve.wait_for_place()
        mallory.offer(jid, CONTENT[::-1], name="two.bin")
        assert mallory.actions("session-accept") == []
        deliver(eve, jid)
        deliver(mallory, jid, CONTENT[::-1])
        running.wait_for_object(type="file", name="two.bin")
    assert receiver.saved() == {"one.bin": CONTENT, "two.bin": CONTENT[::-1]}
    assert {each["sha256"] for each in running.objects if each["type"] == "file"} \
        == {hashlib.sha256(each).hexdigest() for each in (CONTENT, CONTENT[::-1])}
    assert {each["from"] for each in running.objects if each["type"] == "file"} \
        == {f"{bare(eve)}/desk", f"{bare(mallory)}/desk"}
