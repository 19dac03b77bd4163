"""send --direct through the relay of the Jabber server (XEP-0065).

The Jabber servers and their relays are real, ours among them, and so are the clients. Where
something is to go wrong the relay is a script, or the recipient's stanzas are."""

import hashlib
import os
import shutil

import pytest

from direct_peer import befriend
from records import wait_until
from relay_peer import HandSender, StreamSender
from relay_sides import (CONTENT, DONE, FILE, INTERRUPTED, LARGE_BYTES, SECONDS_MAX, Sender, states,
                         told)
from relay_site import ODD_ADDRESS, PROXY_HOST, SocksScript, hang_up, refuse, want_password
from streamer import COMPONENT, streamer_starter

pytest_plugins = ("relay_fixtures",)


def fails(sender, reason, objects):
    """The relay did not work, for this reason, and the upload area had to do."""
    assert states(objects) == [("begun", "relay"), ("failed", "relay")], objects
    (said,) = (each["reason"] for each in objects
               if each["type"] == "direct" and each["state"] == "failed")
    assert reason in said
    assert sender.site.download(
        next(each["link"] for each in objects if each["type"] == "file")) == CONTENT


# As the sender


@pytest.mark.parametrize("closes", [True, False], ids=["closing", "waiting"])
def test_a_slixmpp_client_takes_it(new_sender, each_site, closes):
    sender = new_sender(each_site)
    with sender.peer(closes=closes) as peer:
        objects = sender.send()
        assert states(objects) == [("begun", "relay"), ("done", "relay")], objects
        wait_until(lambda: peer.is_closed, SECONDS_MAX, "never closed")
    assert bytes(peer.data) == CONTENT
    (offer,) = peer.offers
    assert (offer["si"]["file"]["name"], peer.size_bytes) == (FILE, len(CONTENT))
    assert not peer.arrived_with("127.0.0.1", sender.alice.jid, "c2s")


def test_an_empty_file(sender):
    (sender.tool.home / FILE).write_bytes(b"")
    with sender.peer(closes=False) as peer:
        assert states(sender.send())[-1] == ("done", "relay")
    assert not peer.data


def test_a_decline_counts(sender):
    with sender.peer(decide="decline"):
        objects = sender.tool.run("--json", *sender.arguments()).objects
    assert states(objects) == [("begun", "relay"), ("declined", "relay")]
    assert not [each for each in objects if each["type"] == "file"]


def test_the_client_goes_while_it_is_asked(sender):
    with sender.peer(decide="ignore") as peer:
        befriend(sender.site.xmpp, sender.alice, peer)
        with sender.start() as running:
            wait_until(lambda: peer.offers, SECONDS_MAX, "never asked")
            peer.call(peer.disconnect)
            done = running.finish()
    fails(sender, "gone", done.objects)


def test_the_time_is_over(sender):
    with sender.peer(decide="ignore"):
        fails(sender, "--max-time", sender.send("--max-time", "2"))


def test_an_interrupted_offer(sender):
    with sender.peer(decide="ignore") as peer, sender.start() as running:
        wait_until(lambda: peer.offers, SECONDS_MAX, "never asked")
        assert running.stop().code == INTERRUPTED


def test_a_server_without_a_relay(env, tmp_path, pairs):
    sender = Sender(env, tmp_path, pairs.get("prosody"))
    with sender.peer() as peer:
        fails(sender, "has no relay", sender.send())
    assert not peer.offers


def test_a_relay_for_nobody(new_sender, sites):
    sender = new_sender(sites.get("closed"))
    with sender.peer() as peer:
        fails(sender, "not for you", sender.send())
    assert not peer.offers


@pytest.mark.parametrize("behave", [refuse, hang_up, want_password])
def test_a_relay_that_does_not_work(new_sender, sites, behave):
    sender = new_sender(sites.get("odd"))
    port = sender.site.xmpp.ports["proxy"]
    with SocksScript(behave, ODD_ADDRESS, port) as script, sender.hand(PROXY_HOST):
        objects = sender.send()
    assert script.calls == 1
    fails(sender, f"the relay at {ODD_ADDRESS} port {port}", objects)


def test_a_recipient_who_is_not_at_the_relay(sender):
    with sender.hand(PROXY_HOST):
        fails(sender, "relay", sender.send())


def test_a_recipient_who_is_somewhere_else(sender):
    with sender.hand("elsewhere.example.org"):
        fails(sender, "something that was not offered", sender.send())


def test_a_stream_that_is_cut(sender):
    (sender.tool.home / FILE).write_bytes(os.urandom(32 << 20))
    with sender.peer() as peer, sender.start() as running:
        wait_until(lambda: len(peer.data) > 100_000, SECONDS_MAX, "nothing comes")
        peer.cut()
        running.wait_for_object(type="direct", state="failed", way="relay")


# jabberfiles on both ends


def test_from_jabberfiles_to_jabberfiles(new_sender, new_receiver, each_site):
    """Without --allow-private: the relay of one's own server may be anywhere."""
    sender, bob = new_sender(each_site), new_receiver(each_site)
    running, jid = bob.start("--yes", "--count", "1", is_private=False)
    with running:
        objects = sender.tool.json("send", "--direct", FILE, jid)
        done = running.finish()
    assert states(objects) == [("begun", "relay"), ("done", "relay")]
    assert bob.saved() == {FILE: CONTENT}
    assert told(done, "file")["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (done.code, done.err) == (0, "")


def test_a_large_file(new_sender, new_receiver, prosody_site):
    sender, bob = new_sender(prosody_site), new_receiver(prosody_site)
    digest = hashlib.sha256()
    with open(sender.tool.home / FILE, "wb") as file:
        for _ in range(LARGE_BYTES >> 20):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            file.write(piece)
    running, jid = bob.start("--yes", "--count", "1", "--max-size", "1G", is_private=False)
    with running:
        objects = sender.tool.json("send", "--direct", FILE, jid)
        done = running.finish()
    assert states(objects)[-1] == ("done", "relay")
    with open(bob.files / FILE, "rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == digest.digest()
    assert told(done, "file")["size_bytes"] == LARGE_BYTES


def test_a_person_is_asked_and_told_what_it_shows(sender, bob):
    with bob.tool.on_terminal(*bob.arguments("--count", "1")) as terminal:
        terminal.expect("waiting for files")
        jid = full_jid(sender, bob)
        with sender.tool.start("--json", "send", "--direct", FILE, jid) as running:
            terminal.answer("to whom, or whose relay, this machine shows its address?", "n")
            running.wait_for_object(type="direct", state="declined", way="relay")
    assert not bob.saved()


def full_jid(sender, bob):
    """Where Bob's tool is, asked of his server as another client of his."""
    with HandSender(sender.site.xmpp, bob.user, "phone") as phone:
        def find():
            return [text for text in list(phone.arrived)
                    if text.startswith("<presence") and f"{bob.user.jid}/jabberfiles-" in text]
        text = wait_until(find, SECONDS_MAX, f"not seen: {phone.arrived}")[0]
        return text.split('from="')[1].split('"')[0]


def test_an_interrupted_receiver_keeps_nothing(sender, bob):
    (sender.tool.home / FILE).write_bytes(os.urandom(LARGE_BYTES))
    running, jid = bob.start("--yes", "--max-size", "1G", is_private=False)
    with running, sender.tool.start("--json", "send", "--direct", FILE, jid) as sending:
        wait_until(lambda: any(name.endswith(".part") and (bob.files / name).stat().st_size
                               for name in os.listdir(bob.files)), SECONDS_MAX, "nothing comes")
        assert running.stop().code in (DONE, INTERRUPTED)
        sending.wait_for_object(type="direct", state="failed", way="relay")
    assert not bob.saved()


# Through our own relay


@pytest.fixture(params=["streamer-prosody", "streamer-ejabberd"])
def streamer_site(request, env, sites, work_dir, tmp_path):
    """A Jabber server whose relay is socketstreamer."""
    site = sites.get(request.param)
    # Where the account of services may come to.
    program = shutil.copy(env.streamer, work_dir)
    with streamer_starter(env, program, work_dir) as start:
        streamer = start(site.xmpp, COMPONENT)
        yield site
        assert streamer.count("bytes_total") >= len(CONTENT)


def test_between_jabberfiles_and_slixmpp(new_sender, streamer_site):
    sender = new_sender(streamer_site)
    with sender.peer() as peer:
        assert states(sender.send()) == [("begun", "relay"), ("done", "relay")]
        assert bytes(peer.data) == CONTENT


def test_between_slixmpp_and_jabberfiles(new_receiver, streamer_site):
    bob = new_receiver(streamer_site)
    running, jid = bob.start("--yes", "--count", "1", is_private=False)
    with running, StreamSender(streamer_site.xmpp, streamer_site.new_user()) as alice:
        alice.send_file(jid, "hello.txt", CONTENT)
        running.finish()
    assert bob.saved() == {"hello.txt": CONTENT}


def test_between_jabberfiles_and_jabberfiles(new_sender, new_receiver, streamer_site):
    sender, bob = new_sender(streamer_site), new_receiver(streamer_site)
    running, jid = bob.start("--yes", "--count", "1", is_private=False)
    with running:
        objects = sender.tool.json("send", "--direct", FILE, jid)
        running.finish()
    assert states(objects) == [("begun", "relay"), ("done", "relay")]
    assert bob.saved() == {FILE: CONTENT}
