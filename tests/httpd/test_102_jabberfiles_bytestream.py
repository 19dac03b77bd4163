"""send --direct through the relay of the Jabber server (XEP-0065), and files that others send so.

The Jabber servers and their relays are real, and so are the clients: slixmpp with its XEP-0095,
XEP-0096 and XEP-0065, and jabberfiles. Where something is to go wrong the relay is a script, or the
sender's stanzas are."""

import hashlib
import os

import pytest
from slixmpp.exceptions import IqError

from direct_peer import befriend
from jabber_pair import Pairs
from jabberfiles import Tool
from receiver import Receiver
from records import wait_until
from relay_peer import HandReceiver, HandSender, StreamReceiver, StreamSender
from relay_site import (KINDS, ODD_ADDRESS, PROXY_HOST, SocksScript, hang, hang_up, refuse, serve,
                        talk_nonsense, want_password)

DONE, INTERRUPTED = 0, 130
CONTENT = os.urandom(300_000)
LARGE_BYTES = 256 << 20
SECONDS_MAX = 60
FILE, OFFER = "notes.bin", HandSender.offer
DECLINED_AS = 'forbidden xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"'


@pytest.fixture(scope="module")
def sites(work_dir, authority):
    made = Pairs(work_dir / "relays", authority, KINDS)
    (work_dir / "relays").mkdir(exist_ok=True)
    yield made
    made.close()


@pytest.fixture
def prosody_site(sites):
    """Where it does not matter which server it is."""
    return sites.get("prosody")


@pytest.fixture(params=["prosody", "ejabberd"])
def site(request, sites):
    """One server with a relay after the other."""
    return sites.get(request.param)


class Sender:
    """Alice, who sends to Bob."""

    def __init__(self, env, directory, site):
        self.site = site
        self.alice, self.bob = site.new_users(2)
        self.tool = Tool(env, directory / "alice", **site.variables(self.alice))
        self.tool.configure(connect=f"127.0.0.1:{site.xmpp.ports['c2s']}", ca=site.ca)
        (self.tool.home / FILE).write_bytes(CONTENT)

    def arguments(self, *more):
        """Nobody can be asked whether the address may be seen, so this way is the only one."""
        return ("send", "--direct", *more, FILE, f"{self.bob.jid}/desk")

    def send(self, *more, code=DONE):
        return self.tool.json(*self.arguments(*more), code=code)

    def start(self, *more):
        return self.tool.start("--json", *self.arguments(*more))

    def hand(self, used):
        """A recipient who says that he is connected there."""
        return HandReceiver(self.site.xmpp, self.bob, used)

    def peer(self, **options):
        return StreamReceiver(self.site.xmpp, self.bob, **options)


@pytest.fixture
def new_sender(env, tmp_path):
    return lambda site: Sender(env, tmp_path, site)


@pytest.fixture
def sender(new_sender, prosody_site):
    return new_sender(prosody_site)


@pytest.fixture
def new_receiver(env, tmp_path):
    return lambda site: Receiver(env, tmp_path / "bob", site.xmpp, site.new_user())


@pytest.fixture
def bob(new_receiver, prosody_site):
    return new_receiver(prosody_site)


@pytest.fixture
def hand(prosody_site):
    """Sends to Bob what a test writes."""
    with HandSender(prosody_site.xmpp, prosody_site.new_user(), "desk") as made:
        yield made


def states(objects):
    return [(each["state"], each["way"]) for each in objects if each["type"] == "direct"]


def fails(sender, reason, objects):
    """The relay did not work, for this reason, and the upload area had to do."""
    assert states(objects) == [("begun", "relay"), ("failed", "relay")], objects
    (said,) = (each["reason"] for each in objects
               if each["type"] == "direct" and each["state"] == "failed")
    assert reason in said
    assert sender.site.download(
        next(each["link"] for each in objects if each["type"] == "file")) == CONTENT


def told(done, kind):
    """The one object of this type."""
    (found,) = (each for each in done.objects if each["type"] == kind)
    return found


# As the sender


@pytest.mark.parametrize("closes", [True, False], ids=["closing", "waiting"])
def test_a_slixmpp_client_takes_it(new_sender, site, closes):
    sender = new_sender(site)
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


def test_from_jabberfiles_to_jabberfiles(new_sender, new_receiver, site):
    """Without --allow-private: the relay of one's own server may be anywhere."""
    sender, bob = new_sender(site), new_receiver(site)
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


# As the receiver


def test_from_slixmpp(new_receiver, site):
    bob = new_receiver(site)
    running, jid = bob.start("--yes", "--count", "1", is_private=False)
    with running, StreamSender(site.xmpp, site.new_user()) as alice:
        alice.send_file(jid, "hello.txt", CONTENT)
        done = running.finish()
    assert bob.saved() == {"hello.txt": CONTENT}
    assert (done.code, done.err) == (0, "")
    assert told(done, "announcement")["name"] == "hello.txt"


def test_another_md5(bob, prosody_site):
    running, jid = bob.start("--yes", is_private=False)
    with running, StreamSender(prosody_site.xmpp, prosody_site.new_user()) as alice:
        alice.send_file(jid, "hello.txt", CONTENT, hash=hashlib.md5(b"x").hexdigest())
        failed = running.wait_for_object(type="failed")
    assert "another MD5" in failed["reason"]
    assert not bob.saved()


def test_without_a_rule_nobody_is_called(bob, prosody_site):
    running, jid = bob.start()
    with running, StreamSender(prosody_site.xmpp, prosody_site.new_user()) as alice, \
            pytest.raises(IqError) as refused:
        alice.send_file(jid, "hello.txt", CONTENT)
    assert refused.value.condition == "forbidden"


def start(bob, hand, offer, *hosts, options=("--yes", "--count", "1"), is_private=True):
    """What Bob tells of a file that is offered by hand, and the answer to the hosts."""
    running, jid = bob.start(*options, is_private=is_private)
    with running:
        answer = hand.send_through(jid, offer, *hosts)
        wait_until(lambda: [each for each in running.objects
                            if each["type"] in ("file", "failed", "declined")], SECONDS_MAX,
                   f"nothing becomes of it: {running.out}")
        return running.stop(), answer


def host(script, jid="relay.example.net"):
    return jid, script.address, script.port


@pytest.mark.parametrize("stays", [False, True], ids=["closing", "staying"])
def test_fragmented_answers(bob, hand, stays):
    with SocksScript(serve(CONTENT, stays)) as script:
        done, answer = start(bob, hand, OFFER(len(CONTENT)), host(script))
    assert told(done, "file") and bob.saved() == {FILE: CONTENT}
    assert "streamhost-used" in answer and 'jid="relay.example.net"' in answer


def test_the_next_host(bob, hand):
    """One that is closed, one that refuses, one that speaks something else, and a good one."""
    with SocksScript(refuse) as first, SocksScript(talk_nonsense) as second, \
            SocksScript(serve(CONTENT)) as third:
        closed = ("closed.example.net", "127.0.0.1", 1)
        done, answer = start(bob, hand, OFFER(len(CONTENT)), closed, host(first, "a.example"),
                             host(second, "b.example"), host(third, "c.example"))
    assert 'jid="c.example"' in answer and bob.saved() == {FILE: CONTENT}
    assert told(done, "file")


def test_a_host_that_hangs(bob, hand):
    with SocksScript(hang) as script:
        done, answer = start(bob, hand, OFFER(5), host(script))
    assert "item-not-found" in answer
    assert "does not answer" in told(done, "failed")["reason"]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "169.254.169.254"])
def test_private_addresses_are_not_called(bob, hand, address):
    with SocksScript(serve(CONTENT)) as script:
        done, answer = start(bob, hand, OFFER(len(CONTENT)), ("a.example", address, script.port),
                             ("proxy.example.org", address, script.port), is_private=False)
    assert "item-not-found" in answer
    assert "--allow-private" in told(done, "failed")["reason"]
    assert script.calls == 0 and not bob.saved()


@pytest.mark.parametrize("content, size_bytes, reason", [
    (CONTENT, 100, "more bytes than"), (CONTENT[:100], 1000, "ended after"),
    (b"", 1000, "ended after"), (b"x", 0, "more bytes than")],
    ids=["more", "less", "nothing", "not-empty"])
def test_another_size(bob, hand, content, size_bytes, reason):
    with SocksScript(serve(content)) as script:
        done, _ = start(bob, hand, OFFER(size_bytes), host(script))
    assert reason in told(done, "failed")["reason"]
    assert not bob.saved()


def test_another_sha256(bob, hand):
    hashed = "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" \
        "qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=</hash>"
    offer = OFFER(len(CONTENT)).replace("/><feature", f">{hashed}</file><feature", 1)
    with SocksScript(serve(CONTENT)) as script:
        done, _ = start(bob, hand, offer, host(script))
    assert "another SHA-256" in told(done, "failed")["reason"]
    assert not bob.saved()


def test_a_name_that_leads_elsewhere(bob, hand):
    with SocksScript(serve(CONTENT)) as script:
        done, _ = start(bob, hand, OFFER(len(CONTENT), name="../../\x7fevil"), host(script))
    assert os.path.dirname(told(done, "file")["path"]) == str(bob.files)
    assert list(bob.saved().values()) == [CONTENT]


def test_too_large_a_file_is_declined(bob, hand):
    running, jid = bob.start("--yes", "--max-size", "1k")
    with running:
        answer = hand.wait_for_answer(hand.ask(jid, OFFER(5000)))
        running.wait_for_object(type="declined")
    assert DECLINED_AS in answer


@pytest.mark.parametrize("offer, condition", [
    (OFFER(5, sid=""), "bad-request"), (OFFER(-1), "bad-request"), (OFFER("1x"), "bad-request"),
    (OFFER(5, name=""), "bad-request"), (OFFER(5, profile="urn:else"), "bad-profile"),
    (OFFER(5, method="http://jabber.org/protocol/ibb"), "no-valid-streams")],
    ids=["no-sid", "negative", "no-number", "no-name", "profile", "method"])
def test_offers_that_make_no_sense(bob, hand, offer, condition):
    running, jid = bob.start("--yes")
    with running:
        answer = hand.wait_for_answer(hand.ask(jid, offer))
        assert condition in answer
        assert [each["type"] for each in running.objects] == ["online"]


@pytest.mark.parametrize("query, condition", [
    (HandSender.hosts(("a", "127.0.0.1", 5), sid="unknown"), "not-acceptable"),
    (HandSender.hosts(("a", "127.0.0.1", 5), sid=""), "not-acceptable"),
    (HandSender.hosts(), "not-acceptable"),
    (HandSender.hosts(("a", "127.0.0.1", 5), more="dstaddr='../x'"), "bad-request")],
    ids=["unknown", "no-sid", "no-hosts", "dstaddr"])
def test_streams_that_nobody_waits_for(bob, hand, query, condition):
    running, jid = bob.start("--yes")
    with running:
        assert condition in hand.wait_for_answer(hand.ask(jid, query))


def test_another_may_not_go_on_with_an_offer(bob, hand, prosody_site):
    running, jid = bob.start("--yes", "--count", "1")
    with running, SocksScript(serve(CONTENT)) as script, \
            HandSender(prosody_site.xmpp, prosody_site.new_user()) as mallory:
        assert 'type="result"' in hand.wait_for_answer(hand.ask(jid, OFFER(len(CONTENT))))
        stream = HandSender.hosts(host(script))
        assert "not-acceptable" in mallory.wait_for_answer(mallory.ask(jid, stream))
        udp = HandSender.hosts(host(script), more="mode='udp'")
        assert "not-acceptable" in hand.wait_for_answer(hand.ask(jid, udp))
        assert "bad-request" in hand.wait_for_answer(
            hand.ask(jid, HandSender.hosts(("a", "127.0.0.1", 70000))))
        assert "streamhost-used" in hand.wait_for_answer(hand.ask(jid, stream))
        running.finish()
    assert bob.saved() == {FILE: CONTENT}


def test_a_sender_who_goes(bob, hand, prosody_site):
    """He is seen to go only by those whom he shows his presence."""
    running, jid = bob.start("--yes")
    with running:
        assert 'type="result"' in hand.wait_for_answer(hand.ask(jid, OFFER(5)))
        hand.say(f"<presence to='{jid}' type='unavailable'/>")
        failed = running.wait_for_object(type="failed")
    assert "gone offline" in failed["reason"]
    assert not bob.saved()
