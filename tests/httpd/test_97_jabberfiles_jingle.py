"""Files by Jingle (XEP-0234) and HTTP (XEP-0370): the receiver's machine takes a PUT. jabberfiles on
both ends, and on either end with a peer whose stanzas are written by hand."""

import contextlib
import hashlib
import http.client
import os
import signal
import threading
from urllib.parse import urlsplit

import pytest

from http_script import HttpScript, answer, refuse
from jabberfiles import INTERRUPT, Tool
from jingle_peer import (COMPLETED, FILE, HASHES, JINGLE, RECEIVED, UPLOAD, JinglePeer, candidate,
                         digest, place, reason, wrap)
from receiver import Receiver, bare
from records import wait_until

REFUSED, INTERRUPTED = 4, 130
CONTENT = os.urandom(300_000)
LARGE_BYTES = 256 << 20
SECONDS_MAX = 60
HEADERS = "<header name='Authorization'>Bearer x</header><header name='Host'>evil</header>" \
    "<header name='Transfer-Encoding'>chunked</header>"


@pytest.fixture
def prosody_pair(pairs):
    """Where it does not matter which server it is."""
    return pairs.get("prosody")


@pytest.fixture
def new_sender(env, tmp_path):
    """Makes the tool of a user of a server, with a file to send."""
    def make(pair, user, content=CONTENT):
        made = Tool(env, tmp_path / "alice", **pair.variables(user))
        made.configure(connect=f"127.0.0.1:{pair.xmpp.ports['c2s']}", ca=pair.ca)
        (made.home / "notes.bin").write_bytes(content)
        return made

    return make


@pytest.fixture
def new_receiver(env, tmp_path):
    return lambda pair, user: Receiver(env, tmp_path / "bob", pair.xmpp, user)


@pytest.fixture
def sender(new_sender, prosody_pair):
    return new_sender(prosody_pair, prosody_pair.new_user())


@pytest.fixture
def peer(prosody_pair):
    with JinglePeer(prosody_pair.xmpp, prosody_pair.new_user()) as made:
        yield made


@pytest.fixture
def bob(new_receiver, prosody_pair):
    return new_receiver(prosody_pair, prosody_pair.new_user())


def send_to(jid, *more):
    """Arguments; all our machines have private addresses."""
    return ("send", "--direct", "--yes", "--allow-private", *more, "notes.bin", jid)


def states(objects):
    return [(each["state"], each["way"]) for each in objects if each["type"] == "direct"]


def put(url, content, **headers):
    """The status of a PUT."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_MAX)
    try:
        connection.request("PUT", parts.path, content, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def settle_upload(peer, sender, sid, how="success"):
    """What a good receiver says when it has the file."""
    wait_until(lambda: peer.actions("transport-info"), SECONDS_MAX, "never completed")
    peer.do(sender, "session-info", sid, RECEIVED)
    peer.do(sender, "session-terminate", sid, reason(how))


# jabberfiles on both ends


def test_a_file_goes_from_tool_to_tool(new_sender, new_receiver, pair):
    """The receiver may not fetch from a private address, so the first way fails; to take something
    at its own address it is allowed to."""
    alice, user = pair.new_users(2)
    sender, bob = new_sender(pair, alice), new_receiver(pair, user)
    running, jid = bob.start("--auto-from", alice.jid, is_private=False)
    with running:
        told = sender.json(*send_to(jid))
        file = running.wait_for_object(type="file")
        offer = [each for each in running.objects if each["type"] == "announcement"][-1]
        done = running.stop()
    assert bob.saved() == {"notes.bin": CONTENT}
    assert states(told)[-2:] == [("begun", "take"), ("done", "take")]
    assert told[-1]["sha256"] == file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (offer["url"], file["url"]) == (None, None)
    assert (file["size_bytes"], file["name"]) == (len(CONTENT), "notes.bin")
    assert (done.code, done.err) == (0, "")


def test_a_large_file_arrives_byte_by_byte(new_sender, new_receiver, prosody_pair):
    alice, user = prosody_pair.new_users(2)
    sender, bob = new_sender(prosody_pair, alice), new_receiver(prosody_pair, user)
    piece = os.urandom(1 << 20)
    with open(sender.home / "notes.bin", "wb") as file:
        for i in range(LARGE_BYTES >> 20):
            file.write(i.to_bytes(4, "big") + piece[4:])
    running, jid = bob.start("--yes", "--max-size", "1G", is_private=False)
    with running:
        told = sender.json(*send_to(jid))
        running.wait_for_object(type="file")
    assert states(told)[-1] == ("done", "take")
    with open(sender.home / "notes.bin", "rb") as sent, open(bob.files / "notes.bin", "rb") as came:
        while data := sent.read(1 << 20):
            assert came.read(1 << 20) == data
        assert came.read(1) == b""


@pytest.mark.parametrize("content", [b"", b"x"], ids=["nothing", "a byte"])
def test_a_small_file_arrives_as_well(new_sender, new_receiver, prosody_pair, content):
    alice, user = prosody_pair.new_users(2)
    sender, bob = new_sender(prosody_pair, alice, content), new_receiver(prosody_pair, user)
    running, jid = bob.start("--yes", is_private=False)
    with running:
        assert states(sender.json(*send_to(jid)))[-1] == ("done", "take")
        running.wait_for_object(type="file")
    assert bob.saved() == {"notes.bin": content}


# The receiver


def test_a_peer_puts_a_file_here(bob, peer):
    running, jid = bob.start("--auto-from", bare(peer), is_private=False)
    with running:
        peer.offer(jid, CONTENT, name="report.pdf", date="2026-01-02T03:04:05Z")
        url = peer.wait_for_place()
        assert url.startswith("http://127.0.0.1:")
        assert put(url, CONTENT) == 201
        assert peer.actions("session-info") == []
        peer.do(jid, "transport-info", "s1", COMPLETED)
        (received,) = peer.wait_for_action("session-info")
        assert received.tag == f"{{{FILE}}}received" and received.get("name") == "f"
        assert peer.end_reason() == "success"
        running.wait_for_object(type="file")
    assert bob.saved() == {"report.pdf": CONTENT}
    assert int((bob.files / "report.pdf").stat().st_mtime) == 1767323045


def test_who_does_not_say_completed_has_the_file_taken_all_the_same(bob, peer):
    running, jid = bob.start("--auto-from", bare(peer), is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        assert put(peer.wait_for_place(), CONTENT) == 201
        assert peer.end_reason() == "success"
    assert bob.saved() == {"notes.bin": CONTENT}


def test_a_body_of_untold_length_is_taken(bob, peer):
    running, jid = bob.start("--auto-from", bare(peer), is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        assert put(peer.wait_for_place(), iter([CONTENT[:1000], CONTENT[1000:]])) == 201
        peer.do(jid, "transport-info", "s1", COMPLETED)
        assert peer.end_reason() == "success"
    assert bob.saved() == {"notes.bin": CONTENT}


def test_a_person_sees_which_address_is_shown_and_says_yes(bob, peer):
    with bob.tool.on_terminal(*bob.arguments("--json", is_private=False)) as terminal:
        terminal.expect('"online"').expect("}")
        jid = terminal.screen.split('"jid"')[1].split('"')[1]
        peer.offer(jid, CONTENT, name="re\u202eport.pdf")
        terminal.answer("shows its address 127.0.0.1? ", "y")
        assert put(peer.wait_for_place(), CONTENT) == 201
        peer.do(jid, "transport-info", "s1", COMPLETED)
        assert peer.end_reason() == "success"
    (saved,) = bob.saved()
    assert "\u202e" not in saved


def test_a_person_reads_all_about_an_offer_and_says_no(bob, peer):
    with bob.tool.on_terminal(*bob.arguments(is_private=False)) as terminal:
        terminal.expect("waiting for files")
        jid = peer_jid(peer, bob)
        peer.offer(jid, CONTENT)
        terminal.expect(f"{peer.boundjid.full} offers notes.bin; you do not know the sender")
        terminal.expect("name  notes.bin").expect("293 KiB")
        terminal.expect(f"Download notes.bin (293 KiB) from {bare(peer)} (a stranger), ")
        terminal.answer("to whom this machine shows its address 127.0.0.1? ", "n")
        terminal.expect("declined: you said no")
        assert peer.end_reason() == "decline"
        terminal.type(INTERRUPT)
        assert terminal.finish().code == 0
    assert peer.actions("session-accept") == []
    assert bob.saved() == {}


def peer_jid(peer, bob):
    """The full JID of a tool that has no --json: its presence tells who is there."""
    peer.say(f"<presence type='subscribe' to='{bob.user.jid}'/>")
    with JinglePeer(peer.server_of_test, bob.user, "phone") as phone:
        phone.say(f"<presence type='subscribed' to='{bare(peer)}'/>")
        return wait_until(lambda: next(
            (text.split('from="')[1].split('"')[0] for text in list(peer.arrived)
             if text.startswith("<presence") and "/jabberfiles-" in text), None),
            SECONDS_MAX, f"never online: {peer.arrived}")


def test_where_nobody_can_be_asked_no_port_is_opened(bob, peer):
    running, jid = bob.start(is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        assert peer.end_reason() == "decline"
        assert "--auto-from" in running.wait_for_object(type="declined")["reason"]
    assert peer.actions("session-accept") == []


def test_max_size_holds_for_offers(bob, peer):
    running, jid = bob.start("--auto-from", bare(peer), "--max-size", "200K", is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        assert peer.end_reason() == "decline"
        assert "--max-size" in running.wait_for_object(type="declined")["reason"]


def test_listen_says_at_which_address(bob, peer):
    running, jid = bob.start("--yes", "--listen", "127.0.0.9", is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        assert peer.wait_for_place().startswith("http://127.0.0.9:")
        assert put(peer.wait_for_place(), CONTENT) == 201


@contextlib.contextmanager
def half_put(url, content):
    """Puts half of a file; yields the connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_MAX)
    connection.putrequest("PUT", parts.path)
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content[:len(content) // 2])
    yield connection
    connection.close()


def test_an_end_amid_an_upload_leaves_nothing(bob, peer):
    running, jid = bob.start("--yes", is_private=False)
    with running:
        peer.offer(jid, CONTENT)
        with half_put(peer.wait_for_place(), CONTENT):
            wait_until(lambda: any(bob.saved().values()), SECONDS_MAX, "nothing arrives")
            done = running.stop()
            assert peer.end_reason() == "cancel"
    assert done.code == 0
    assert [each["reason"] for each in done.objects if each["type"] == "declined"] \
        == ["interrupted"]
    assert bob.saved() == {}


def test_progress_is_shown_where_it_arrives(bob, peer):
    with bob.tool.on_terminal(*bob.arguments("--yes", is_private=False)) as terminal:
        terminal.expect("waiting for files")
        peer.offer(peer_jid(peer, bob), CONTENT)
        with half_put(peer.wait_for_place(), CONTENT) as connection:
            terminal.expect("notes.bin").expect("50 %").expect("[")
            connection.send(CONTENT[len(CONTENT) // 2:])
            assert connection.getresponse().status == 201
        terminal.expect("saved as").type(INTERRUPT)
        assert terminal.finish().code == 0
    assert bob.saved() == {"notes.bin": CONTENT}


def test_progress_is_shown_where_it_comes_from(new_sender, prosody_pair, peer):
    def slow(exchange):
        may_go_on.wait(SECONDS_MAX)
        left = int(exchange.heard.headers["Content-Length"])
        while left > 0:
            left -= len(exchange.read_some(left))
        exchange.answer(201)

    may_go_on = threading.Event()
    sender = new_sender(prosody_pair, prosody_pair.new_user(), os.urandom(32 << 20))
    with HttpScript([slow]) as web, sender.on_terminal(*send_to(peer.boundjid.full)) as terminal:
        jid, sid, _ = peer.wait_for_offer()
        terminal.expect(f"waiting for {peer.boundjid.full} to accept notes.bin")
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        terminal.expect("notes.bin").expect("%").expect("[")
        may_go_on.set()
        settle_upload(peer, jid, sid)
        assert terminal.finish().code == 0


# The sender


def test_an_offer_says_what_the_file_is(sender, peer):
    with HttpScript([answer(201)]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full, "--message", "look")) as running:
        jid, sid, jingle = peer.wait_for_offer()
        assert jingle.get("initiator") == jid
        (content,) = jingle
        assert (content.get("creator"), content.get("senders")) == ("initiator", "initiator")
        (file,) = content.find(f"{{{FILE}}}description")
        told = {child.tag.partition("}")[2]: child.text for child in file}
        assert told.pop("date").startswith("20")
        assert told == {"name": "notes.bin", "media-type": "application/octet-stream",
                        "size": str(len(CONTENT)), "desc": "look", "hash": digest(CONTENT)}
        assert file.find(f"{{{HASHES}}}hash").get("algo") == "sha-256"
        assert content.find(f"{{{UPLOAD}}}transport") is not None
        peer.do(jid, "session-accept", sid,
                wrap(transport=place(web.url("/here"), HEADERS)))
        settle_upload(peer, jid, sid)
        done = running.finish()
    assert done.code == 0
    assert states(done.objects) == [("begun", "take"), ("done", "take")]
    (heard,) = web.heard
    assert (heard.method, heard.target, heard.body) == ("PUT", "/here", CONTENT)
    assert heard.headers["Authorization"] == "Bearer x"
    assert heard.headers["Content-Length"] == str(len(CONTENT))
    assert heard.headers["Host"] == f"127.0.0.1:{web.port}"
    assert heard.headers["Transfer-Encoding"] is None


def test_a_receipt_without_a_farewell_will_do(sender, peer):
    with HttpScript([answer(204)]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        wait_until(lambda: peer.actions("transport-info"), SECONDS_MAX, "never completed")
        peer.do(jid, "session-info", sid, RECEIVED)
        assert peer.end_reason() == "success"
        assert states(running.finish().objects)[-1] == ("done", "take")


@pytest.mark.parametrize("is_accepted", [False, True], ids=["before", "amid"])
def test_a_persons_no_is_not_got_around(sender, peer, is_accepted):
    with HttpScript([lambda exchange: exchange.hang()]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        if is_accepted:
            peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
            wait_until(lambda: web.heard, SECONDS_MAX, "never uploaded")
        peer.do(jid, "session-terminate", sid, reason("cancel" if is_accepted else "decline"))
        web.close()
        done = running.finish()
    assert done.code == REFUSED
    assert [each["state"] for each in done.objects] == ["begun", "declined"]


def test_what_fails_there_goes_by_the_server(sender, peer):
    with HttpScript([answer(201)]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        wait_until(lambda: peer.actions("transport-info"), SECONDS_MAX, "never completed")
        peer.do(jid, "session-terminate", sid, reason("failed-application"))
        done = running.finish()
    assert done.code == 0
    assert states(done.objects) == [("begun", "take"), ("failed", "take")]
    assert [each["type"] for each in done.objects[2:]] == ["file", "recipient"]


@pytest.mark.parametrize("is_begun", [False, True], ids=["nothing", "a part"])
def test_a_success_without_all_bytes_is_none(sender, peer, is_begun):
    with HttpScript([lambda exchange: exchange.hang()]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        if is_begun:
            peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
            wait_until(lambda: web.heard, SECONDS_MAX, "never uploaded")
            peer.do(jid, "session-info", sid, RECEIVED)
        peer.do(jid, "session-terminate", sid, reason("success"))
        web.close()
        assert states(running.finish().objects) == [("begun", "take"), ("failed", "take")]


@pytest.mark.parametrize("step", [refuse(500),
                                  answer(307, headers={"Location": "http://127.0.0.1:1/"})])
def test_an_upload_that_is_refused_is_tried_once(sender, peer, step):
    with HttpScript([step]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        assert peer.end_reason() == "failed-transport"
        assert states(running.finish().objects)[-1] == ("failed", "take")
        assert web.connection_count == 1


def test_a_client_that_goes_offline_is_not_waited_for(sender, prosody_pair):
    with JinglePeer(prosody_pair.xmpp, prosody_pair.new_user()) as made:
        running = sender.start("--json", *send_to(made.boundjid.full))
        made.wait_for_offer()
        made.say(f"<presence type='unavailable' to='{made.wait_for_offer()[0]}'/>")
        with running:
            assert states(running.finish().objects) == [("begun", "take"), ("failed", "take")]


@pytest.mark.parametrize("is_accepted", [False, True], ids=["before", "amid"])
def test_an_interrupted_sender_takes_its_offer_back(sender, peer, is_accepted):
    with HttpScript([lambda exchange: exchange.hang()]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        jid, sid, _ = peer.wait_for_offer()
        if is_accepted:
            peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
            wait_until(lambda: web.heard, SECONDS_MAX, "never uploaded")
        done = running.stop(signal.SIGINT)
        assert peer.end_reason() == "cancel"
    assert done.code == INTERRUPTED


# Where the sender may be led


def test_a_private_address_is_nothing_that_a_script_agrees_to(sender, peer):
    with HttpScript([answer(201)]) as web, \
            sender.start("--json", "send", "--direct", "--yes", "notes.bin",
                         peer.boundjid.full) as running:
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        assert peer.end_reason() == "failed-transport"
        failed = running.wait_for_object(type="direct", state="failed")
        running.finish()
        assert web.connection_count == 0
    assert "--allow-private" in failed["reason"]


@pytest.mark.parametrize("is_yes", [True, False])
def test_a_person_is_asked_about_a_private_address(sender, peer, is_yes):
    """Nobody lives at this address: that it is tried shows in how it fails."""
    with sender.on_terminal("send", "--direct", "--max-time", "4", "notes.bin",
                            peer.boundjid.full) as terminal:
        terminal.answer("will see the address of this machine, 127.0.0.1. Show it? ", "y")
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place("http://10.255.255.254:40000/")))
        terminal.answer("10.255.255.254:40000, a private address. Send it there? ",
                        "y" if is_yes else "n")
        assert peer.end_reason() == "failed-transport"
        done = terminal.finish()
    assert done.code == 0
    assert ("leads to the private address" in done.out) is not is_yes


def test_nobody_is_asked_about_this_machine_itself(sender, peer):
    with HttpScript([answer(201)]) as web, \
            sender.on_terminal("send", "--direct", "notes.bin", peer.boundjid.full) as terminal:
        terminal.answer("Show it? ", "y")
        jid, sid, _ = peer.wait_for_offer()
        peer.do(jid, "session-accept", sid, wrap(transport=place(web.url("/"))))
        terminal.expect("leads to the private address 127.0.0.1")
        assert terminal.finish().code == 0
        assert web.connection_count == 0


def test_places_that_mean_harm_are_no_places(sender, peer):
    with HttpScript([answer(201)]) as web, \
            sender.start("--json", *send_to(peer.boundjid.full)) as running:
        url = web.url("/")
        jid, sid, _ = peer.wait_for_offer()
        places = [candidate(each) for each in (
            "ftp://127.0.0.1/x", "file:///etc/motd", f"{url} x", f"{url}#x", f"{url}\\x", "", "//x",
            url.replace("//", "//user:secret@"))]
        places += [candidate(url, f"<header name='{name}'>a{end}X-Evil: 1</header>")
                   for name in ("Cookie", "Authorization") for end in ("&#13;&#10;", "&#10;")]
        peer.do(jid, "session-accept", sid,
                wrap(transport=f"<transport xmlns='{UPLOAD}'>{''.join(places)}</transport>"))
        assert peer.end_reason() == "failed-transport"
        assert states(running.finish().objects)[-1] == ("failed", "take")
        assert web.connection_count == 0


def test_features_are_told_while_files_are_waited_for(bob, peer):
    running, jid = bob.start(is_private=False)
    with running:
        peer.say(f"<iq type='get' id='info' to='{jid}'>"
                 "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        text = wait_until(lambda: next((text for text in list(peer.arrived) if "id=\"info\"" in text),
                                       None), SECONDS_MAX, "no answer")
    for feature in (JINGLE, FILE, UPLOAD, "jabber:iq:oob"):
        assert f'var="{feature}"' in text
