"""jabberfiles send --direct: from machine to machine, and what happens if that does not work.

The Jabber servers are real, and so are the clients: slixmpp with its XEP-0066, and jabberfiles."""

import base64
import hashlib
import http.client
import os
import socket
import time
from urllib.parse import urlsplit

import pytest
from slixmpp.exceptions import IqError, XMPPError

from direct_sender import (CONTENT, DONE, SECONDS_MAX, DirectSender, arrives_by_upload, ask,
                           states)
from file_sender import FileSender
from http_script import HttpScript, answer, serve
from jabberfiles import INTERRUPT
from receiver import Receiver

FAILED, REFUSED, INTERRUPTED = 1, 4, 130


@pytest.fixture
def sender(env, tmp_path, pairs):
    return DirectSender(env, tmp_path, pairs.get("prosody"))


@pytest.fixture
def each_sender(env, tmp_path, pair):
    """With one Jabber server after the other."""
    return DirectSender(env, tmp_path, pair)


# Done


def test_a_slixmpp_client_fetches_it(each_sender):
    fetched = []
    with each_sender.peer(lambda url: fetched.append(ask(url))) as peer:
        each_sender.befriend(peer)
        told = each_sender.send()
    ((status, headers, content),) = fetched
    assert (status, content) == (200, CONTENT)
    assert headers["Content-Disposition"].startswith('attachment; filename="notes.bin"')
    assert states(told) == [("begun", "serve"), ("done", "serve")]
    assert told[-1]["jid"] == f"{each_sender.bob.jid}/desk"
    assert told[-1]["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_from_jabberfiles_to_jabberfiles(env, tmp_path, each_sender):
    bob = Receiver(env, tmp_path / "bob", each_sender.pair.xmpp, each_sender.bob)
    running, jid = bob.start("--yes", "--count", "1")
    with running:
        told = each_sender.send(to=jid)
        done = running.finish()
    assert bob.saved() == {"notes.bin": CONTENT}
    assert (done.code, done.err) == (0, "")
    announced = done.objects[1]
    assert (announced["name"], announced["size_bytes"]) == ("notes.bin", len(CONTENT))
    assert states(told) == [("begun", "serve"), ("done", "serve")]


def test_names_and_sizes_of_all_kinds(env, tmp_path, sender):
    files = {"two words.txt": CONTENT, "Überraschung 100% #1?.txt": b"x", "empty": b""}
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    for name, content in files.items():
        sender.write(name, content)
    running, jid = bob.start("--yes", "--count", str(len(files)))
    with running:
        sender.tool("send", "--direct", "--yes", *files, jid)
        assert running.finish().code == 0
    assert bob.saved() == files


def test_without_asking_what_comes_with_a_digest_is_taken(env, tmp_path, sender):
    """The request says the SHA-256, so that nobody on the way can change what HTTP carries."""
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    running, jid = bob.start("--auto-from", sender.alice.jid)
    with running:
        assert states(sender.send(to=jid))[-1] == ("done", "serve")
    assert bob.saved() == {"notes.bin": CONTENT}


def test_a_large_file_is_the_same_there(env, tmp_path, sender, measure):
    content = os.urandom(1 << 20) * 256
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    sender.write("large", content)
    running, jid = bob.start("--yes", "--count", "1", "--max-size", "1G")
    with running:
        start = time.monotonic()
        sender.send(file="large", to=jid)
        measure(f"256 MiB sent directly: {time.monotonic() - start:.1f} s")
        assert running.finish().code == 0
    assert bob.saved() == {"large": content}


def test_standard_input_goes_directly_too(sender):
    fetched = []
    with sender.peer(lambda url: fetched.append(ask(url))) as peer:
        sender.befriend(peer)
        sender.tool("send", "--direct", "--yes", "--name", "dump.sql", "-", sender.bob.jid,
                    stdin=CONTENT)
    assert fetched[0][2] == CONTENT
    assert peer.urls[0].endswith("/dump.sql")


def test_a_client_that_is_named_need_not_show_its_presence(sender):
    with sender.peer(ask) as peer:
        told = sender.send("--message", "as promised")
    assert states(told) == [("begun", "serve"), ("done", "serve")]
    request = peer.stanzas[0]
    assert request["oob_transfer"]["desc"] == "as promised"
    assert str(request["from"]).startswith(f"{sender.alice.jid}/")


def test_each_file_and_recipient_is_on_its_own(sender):
    carol = sender.pair.new_user()
    sender.write("more.txt", b"more")
    with sender.peer(ask) as peer:
        sender.befriend(peer)
        told = sender.tool.json("send", "--direct", "--yes", "notes.bin", "more.txt",
                                sender.bob.jid, carol.jid)
    assert [(each["state"], each["jid"].partition("/")[0], each["name"])
            for each in told if each["type"] == "direct"] == [
                ("begun", sender.bob.jid, "notes.bin"), ("done", sender.bob.jid, "notes.bin"),
                ("begun", sender.bob.jid, "more.txt"), ("done", sender.bob.jid, "more.txt"),
                ("left", carol.jid, "notes.bin"), ("left", carol.jid, "more.txt")]
    assert len([each for each in told if each["type"] == "file"]) == 2
    assert [each["jid"] for each in told if each["type"] == "recipient"] == [carol.jid]


# The other way round


@pytest.fixture
def waiting(env, tmp_path, sender):
    """Alice waits for files, and takes those of her friend."""
    alice = Receiver(env, tmp_path / "waiting", sender.pair.xmpp, sender.alice)
    running, jid = alice.start("--yes", "--auto-from", sender.bob.jid)
    with running:
        yield alice, jid, running


def test_a_slixmpp_client_serves_it(sender, waiting):
    alice, jid, running = waiting
    with sender.peer() as peer, HttpScript([serve(CONTENT)]) as web:
        assert peer.offer(jid, web.url("/notes.bin"))["type"] == "result"
        assert running.wait_for_object(type="file")["from"] == f"{sender.bob.jid}/desk"
    assert alice.saved() == {"notes.bin": CONTENT}


def test_a_slixmpp_client_hears_of_failure(sender, waiting):
    alice, jid, _ = waiting
    with sender.peer() as peer, HttpScript([answer(404)]) as web, pytest.raises(IqError) as told:
        peer.offer(jid, web.url("/notes.bin"))
    assert told.value.condition == "item-not-found"
    assert alice.saved() == {}


def test_what_differs_from_the_promise_is_not_kept(sender, waiting):
    """The promise came over TLS, the file did not."""
    alice, jid, running = waiting
    promise = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    with FileSender(sender.pair.xmpp, sender.bob) as bob, HttpScript([serve(CONTENT[::-1])]) as web:
        bob.say(f"<iq type='set' id='q' to='{jid}'><query xmlns='jabber:iq:oob'>"
                f"<url>{web.url('/notes.bin')}</url><file xmlns='urn:xmpp:file:metadata:0'>"
                f"<size>{len(CONTENT)}</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>"
                f"{promise}</hash></file></query></iq>")
        assert "item-not-found" in bob.wait_for_answer("q")
    assert "SHA-256" in running.wait_for_object(type="failed")["reason"]
    assert alice.saved() == {}


# Not done


def test_what_the_person_there_refuses_is_not_uploaded(each_sender):
    def refuse(_):
        raise XMPPError("not-acceptable", etype="modify")

    with each_sender.peer(refuse) as peer:
        told = each_sender.send(code=REFUSED)
    assert states(told) == [("begun", "serve"), ("declined", "serve")]
    assert told[-1]["type"] == "direct"


def test_what_fails_is_uploaded(each_sender):
    def fail(_):
        raise XMPPError("item-not-found", etype="cancel")

    with each_sender.peer(fail) as peer:
        each_sender.befriend(peer)
        told = each_sender.send()
        arrives_by_upload(each_sender, peer, told)
    assert states(told) == [("begun", "serve"), ("failed", "serve")]


def test_who_says_done_without_having_fetched_gets_the_link(sender):
    with sender.peer(lambda url: ask(url, "HEAD")) as peer:
        told = sender.send()
        arrives_by_upload(sender, peer, told)
    assert states(told) == [("begun", "serve"), ("failed", "serve")]


def test_who_goes_offline_gets_the_link(each_sender):
    with each_sender.peer() as peer:
        each_sender.befriend(peer)
        running = each_sender.start()
        with running:
            url = peer.wait_for_url()
            ask(url)
            peer.leave()
            done = running.finish()
    assert done.code == DONE
    assert states(done.objects) == [("begun", "serve"), ("failed", "serve")]
    assert done.objects[-1]["state"] == "handed"
    with each_sender.peer() as peer:
        arrives_by_upload(each_sender, peer, done.objects)


def test_a_stranger_who_goes_offline_is_missed(sender):
    """Nobody tells us, so the client is asked now and then whether it is there."""
    with sender.peer() as peer:
        running = sender.start()
        with running:
            peer.wait_for_url()
            peer.leave()
            done = running.finish()
    assert states(done.objects) == [("begun", "serve"), ("failed", "serve")]


def test_who_stalls_gets_the_link(sender):
    with sender.peer() as peer:
        running = sender.start("--max-time", "2", file=sender.write("slow", CONTENT * 30))
        with running, socket.socket() as stalled:
            parts = urlsplit(peer.wait_for_url())
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect((parts.hostname, parts.port))
            stalled.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert stalled.recv(15) == b"HTTP/1.1 200 OK"
            running.finish()
        failed = [each for each in running.objects if each.get("state") == "failed"]
    assert "--max-time" in failed[0]["reason"]


def test_a_file_that_changes_is_not_given_out(sender):
    """What comes of it must not look complete, and nobody is told of it in another way."""
    with sender.peer() as peer:
        running = sender.start()
        with running:
            url = peer.wait_for_url()
            sender.write("notes.bin", CONTENT[::-1])
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                ask(url)
            done = running.finish()
    assert done.code == FAILED
    assert "has changed" in done.err
    assert states(done.objects) == [("begun", "serve")]


def test_an_interrupt_closes_the_door(sender):
    with sender.peer() as peer:
        running = sender.start()
        with running:
            url = peer.wait_for_url()
            assert ask(url, "HEAD")[0] == 200
            assert running.stop().code == INTERRUPTED
        with pytest.raises(ConnectionError):
            ask(url)


def test_an_interrupt_breaks_what_flows(sender):
    """The end must not look like that of the file."""
    sender.write("slow", CONTENT * 30)
    with sender.peer() as peer, socket.socket() as slow, \
            sender.tool.on_terminal(*sender.arguments(file="slow")) as terminal:
        parts = urlsplit(peer.wait_for_url())
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(SECONDS_MAX)
        slow.connect((parts.hostname, parts.port))
        slow.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        terminal.expect("%").type(INTERRUPT)
        assert terminal.finish().code == INTERRUPTED
        broken = http.client.HTTPResponse(slow)
        broken.begin()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            broken.read()


@pytest.mark.parametrize("is_friend, reason", [(True, "no client of the recipient"),
                                               (False, "bob@example.org/desk")])
def test_where_it_is_not_possible_it_is_uploaded(sender, is_friend, reason):
    with sender.peer() as peer:
        if is_friend:
            sender.befriend(peer)
            peer.forget_files()
        told = sender.send(to=sender.bob.jid)
        arrives_by_upload(sender, peer, told)
    assert states(told) == [("left", None)]
    assert reason in told[0]["reason"]
    assert not peer.urls
