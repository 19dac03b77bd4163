"""jabberfiles send --direct: from machine to machine, and what happens if that does not work.

The Jabber servers are real, and so are the clients: slixmpp with its XEP-0066, and jabberfiles."""

import base64
import hashlib
import http.client
import os
import socket
import time
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from slixmpp.exceptions import IqError, XMPPError

from announcing import bodies, wait_for_bodies
from cut_proxy import CutProxy
from direct_peer import DirectPeer, befriend
from file_sender import FileSender
from http_script import HttpScript, answer, serve
from jabberfiles import INTERRUPT, Tool
from receiver import Receiver
from records import wait_until

DONE, FAILED, USAGE, REFUSED, PARTLY, INTERRUPTED = 0, 1, 2, 4, 8, 130
CONTENT = os.urandom(300_000)
SECONDS_MAX = 30


@pytest.fixture
def prosody_pair(pairs):
    """Where it does not matter which server it is."""
    return pairs.get("prosody")


class Sender:
    """Alice, who sends, and a friend of hers."""

    def __init__(self, env, directory, pair):
        self.pair = pair
        self.alice, self.bob = pair.new_users(2)
        self.tool = Tool(env, directory / "alice", **pair.variables(self.alice))
        self.tool.configure(connect=f"127.0.0.1:{pair.xmpp.ports['c2s']}", ca=pair.ca)
        self.write("notes.bin", CONTENT)
        self._to = f"{self.bob.jid}/desk"

    def write(self, name, content):
        (self.tool.home / name).write_bytes(content)
        return name

    def peer(self, fetch=None):
        """A client of the friend's, not online yet."""
        return DirectPeer(self.pair.xmpp, self.bob, fetch)

    def befriend(self, peer):
        """From now on the client is seen, and need not be named."""
        befriend(self.pair.xmpp, self.alice, peer)
        self._to = self.bob.jid

    def arguments(self, *more, file="notes.bin", to=None, is_yes=True):
        return ("send", "--direct", *(["--yes"] if is_yes else []), *more, file, to or self._to)

    def start(self, *more, **options):
        return self.tool.start("--json", *self.arguments(*more, **options))

    def send(self, *more, code=DONE, **options):
        """Sends to the end; returns what is told."""
        return self.tool.json(*self.arguments(*more, **options), code=code)


@pytest.fixture
def sender(env, tmp_path, prosody_pair):
    return Sender(env, tmp_path, prosody_pair)


@pytest.fixture
def each_sender(env, tmp_path, pair):
    """With one Jabber server after the other."""
    return Sender(env, tmp_path, pair)


def ask(url, method="GET", source="127.0.0.1", path=None, **fields):
    """Status, header fields and content of an answer; "_" in names of fields stands for "-"."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_MAX,
                                            source_address=(source, 0))
    try:
        connection.request(method, path or parts.path,
                           headers={name.replace("_", "-"): text for name, text in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def states(objects):
    """What became of the direct way."""
    return [(each["state"], each["way"]) for each in objects if each["type"] == "direct"]


def full_jid(terminal):
    """The JID that `receive --json` tells on a terminal."""
    terminal.expect('"online"').expect("}")
    return terminal.screen.split('"jid"')[1].split('"')[1]


def begun(running):
    return running.wait_for_object(type="direct", state="begun")


def arrives_by_upload(sender, peer, objects):
    """The friend is told a link of the upload service, and it leads to the file."""
    wait_for_bodies(peer)
    (link,) = bodies(peer)
    assert sender.pair.download(link) == CONTENT
    assert [each["link"] for each in objects if each["type"] == "file"] == [link]
    assert objects[-1]["type"] == "recipient"


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


def test_each_file_and_recipient_is_on_its_own(sender, prosody_pair):
    carol = prosody_pair.new_user()
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


# The server


@pytest.fixture
def served(sender):
    """The link of notes.bin while it is served, the client that was asked, and the sender."""
    with sender.peer() as peer:
        with sender.start() as running:
            begun(running)
            yield peer.wait_for_url(), peer, running


def test_head_and_ranges(served):
    url, peer, running = served
    status, whole, content = ask(url, "HEAD")
    assert (status, content, whole["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert whole["Accept-Ranges"] == "bytes"
    assert whole["X-Content-Type-Options"] == "nosniff" and "sandbox" in \
        whole["Content-Security-Policy"]
    status, headers, content = ask(url, Range="bytes=1000-1999")
    assert (status, content) == (206, CONTENT[1000:2000])
    assert headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"
    assert headers["Repr-Digest"] == whole["Repr-Digest"]
    assert ask(url, Range="bytes=-5")[2] == CONTENT[-5:]
    status, headers, _ = ask(url, Range=f"bytes={len(CONTENT)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    for same in (whole["ETag"], whole["Last-Modified"]):
        assert ask(url, Range="bytes=10-", If_Range=same)[::2] == (206, CONTENT[10:])
    assert ask(url, Range="bytes=10-", If_Range='"another"')[::2] == (200, CONTENT)
    assert ask(url, "HEAD", Range="bytes=1-2")[0] == 200
    peer.accept()
    assert running.finish().code == DONE


def test_only_one_path_and_two_methods(served):
    url, peer, running = served
    path = urlsplit(url).path
    wrong = ["/", path[:-1], path + "x", path.upper(), "/notes.bin", path.rpartition("/")[0],
             f"/..{path}", f"/{path}", f"{path}/"]
    assert [ask(url, path=each)[0] for each in wrong] == [404] * len(wrong)
    for method in ("PUT", "POST", "DELETE", "OPTIONS", "BREW"):
        status, headers, _ = ask(url, method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert ask(url, Long="x" * 20000)[0] == 431
    assert ask(url)[2] == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_a_second_receiver_is_refused(served):
    url, peer, running = served
    assert ask(url, source="127.0.0.2", path="/guess")[0] == 404
    assert ask(url, "HEAD")[0] == 200
    for method in ("GET", "HEAD"):
        assert ask(url, method, source="127.0.0.2")[0] == 403
    assert ask(url)[2] == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_a_broken_download_is_resumed(env, tmp_path, served):
    url, peer, running = served
    work = Tool(env, tmp_path / "work")
    with CutProxy(SimpleNamespace(port=urlsplit(url).port), [1000, 100_000]) as proxy:
        port, front = (f":{each.port}/" for each in (urlsplit(url), proxy.front))
        work("get", "--yes", "--allow-private", url.replace(port, front))
    assert [count for count in proxy.passed_bytes if count >= 100_000][0] == 100_000
    assert sum(proxy.passed_bytes) < len(CONTENT) + 10_000
    assert (work.home / "notes.bin").read_bytes() == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_many_connections_do_not_lock_the_receiver_out(served):
    """They are refused from one address, and the receiver comes from another one."""
    url, peer, running = served
    parts = urlsplit(url)
    crowd = [socket.create_connection((parts.hostname, parts.port), SECONDS_MAX, ("127.0.0.3", 0))
             for _ in range(20)]
    try:
        assert ask(url)[2] == CONTENT
    finally:
        for each in crowd:
            each.close()
    peer.accept()
    assert running.finish().code == DONE


@pytest.mark.parametrize("address", ["127.0.0.9", "[::1]"])
def test_where_it_listens_can_be_said(sender, address):
    with socket.socket() as probe:
        probe.bind(("127.0.0.9", 0))
        port = probe.getsockname()[1]
    with sender.peer(lambda url: ask(url, source="" if "[" in url else "127.0.0.1")) as peer:
        sender.send("--listen", f"{address}:{port}")
    assert peer.urls[0].startswith(f"http://{address}:{port}/")


def test_an_address_of_others_fails_and_the_file_is_uploaded(sender):
    with sender.peer() as peer:
        told = sender.send("--listen", "192.0.2.7")
        arrives_by_upload(sender, peer, told)
    assert "--listen" in [each for each in told if each.get("state") == "failed"][0]["reason"]


@pytest.mark.parametrize("listen", ["example.org", "0.0.0.0", "::", "127.0.0.1:0", "127.0.0.1:99999",
                                    "224.0.0.1", "[::1", "127.1", ""])
def test_wrong_addresses_are_noticed_at_once(sender, listen):
    complaint = sender.tool.complaint(*sender.arguments("--listen", listen), code=USAGE)
    assert "192.0.2.7:8010" in complaint


def test_an_address_without_direct_makes_no_sense(sender):
    assert "--direct" in sender.tool.complaint("send", "--listen", "127.0.0.1", "notes.bin",
                                               sender.bob.jid, code=USAGE)


# The word of the persons


def test_without_anybody_to_ask_the_address_is_not_shown(sender):
    with sender.peer() as peer:
        told = sender.send(is_yes=False)
        arrives_by_upload(sender, peer, told)
    assert states(told) == [("left", None)]
    assert "--yes" in told[0]["reason"]
    assert not peer.urls


def test_a_person_who_agrees_shows_the_address(sender):
    with sender.peer(ask) as peer:
        with sender.tool.on_terminal(*sender.arguments(is_yes=False)) as terminal:
            terminal.answer(f"{sender.bob.jid}/desk will see the address of this machine, "
                            "127.0.0.1. Show it? [y/N] ", "y")
            terminal.expect("notes.bin goes to").expect("has notes.bin, sent directly")
            assert terminal.finish().code == DONE


def test_a_person_who_does_not_agree_sends_in_another_way(sender):
    with sender.peer() as peer:
        with sender.tool.on_terminal(*sender.arguments(is_yes=False)) as terminal:
            terminal.answer("Show it? [y/N] ", "n").expect("https://").expect("handed to")
            assert terminal.finish().code == DONE
        assert not peer.urls


def test_the_receiver_is_asked_before_the_address_is_shown(env, tmp_path, sender):
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    with bob.tool.on_terminal(*bob.arguments("--json")) as terminal:
        jid = full_jid(terminal)
        with sender.start(to=jid) as running:
            terminal.expect("Download notes.bin (293 KiB) that ").expect("offers at 127.0.0.1?")
            assert running.process.poll() is None
            terminal.type("y").expect('"file"').type(INTERRUPT)
            assert terminal.finish().code == 0
            done = running.finish()
    assert states(done.objects)[-1] == ("done", "serve")
    assert bob.saved() == {"notes.bin": CONTENT}


def test_another_name_than_that_of_the_question_is_asked_about(env, tmp_path, sender):
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    other = serve(CONTENT, {"Content-Disposition": 'attachment; filename="other.bin"'})
    with bob.tool.on_terminal(*bob.arguments("--json")) as terminal, HttpScript([other]) as web, \
            FileSender(sender.pair.xmpp, sender.alice) as alice:
        alice.say(f"<iq type='set' id='q' to='{full_jid(terminal)}'>"
                  f"<query xmlns='jabber:iq:oob'><url>{web.url('/notes.bin')}</url>"
                  "<file xmlns='urn:xmpp:file:metadata:0'><name>notes.bin</name>"
                  f"<size>{len(CONTENT)}</size></file></query></iq>")
        terminal.answer("Download notes.bin (293 KiB) that ", "y")
        terminal.answer("Download notes.bin (293 KiB) from ", "n")
        assert "not-acceptable" in alice.wait_for_answer("q")
    assert bob.saved() == {}


def test_a_receiver_who_says_no_has_shown_nothing(env, tmp_path, sender):
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    with bob.tool.on_terminal(*bob.arguments("--json")) as terminal:
        jid = full_jid(terminal)
        with sender.start(to=jid) as running:
            terminal.answer("The machine there will see the address of this one.", "n")
            done = running.finish()
    assert done.code == REFUSED
    assert states(done.objects)[-1] == ("declined", "serve")
    assert bob.saved() == {}


def test_about_the_receivers_own_machine_nothing_is_asked(env, tmp_path, sender):
    """What listens there is nobody else's business; --allow-private is for who knows better."""
    bob = Receiver(env, tmp_path / "bob", sender.pair.xmpp, sender.bob)
    with bob.tool.on_terminal(*bob.arguments("--json", is_private=False)) as terminal:
        jid = full_jid(terminal)
        with sender.start(to=jid) as running:
            terminal.expect("private address 127.0.0.1")
            assert "[y/N]" not in terminal.screen.partition("private address 127.0.0.1")[0]
            terminal.answer("to whom this machine shows its address 127.0.0.1? ", "n")
            done = running.finish()
    assert states(done.objects) == [("begun", "serve"), ("failed", "serve"), ("begun", "take"),
                                    ("declined", "take")]
    assert bob.saved() == {}
