"""receive takes files that others send through a relay (XEP-0065, XEP-0096). The relay is the Jabber
server's, or a script that does what it should not."""

import hashlib
import os

import pytest
from slixmpp.exceptions import IqError

from records import wait_until
from relay_peer import HandSender, StreamSender
from relay_sides import CONTENT, FILE, SECONDS_MAX, told
from relay_site import SocksScript, hang, refuse, serve, talk_nonsense

pytest_plugins = ("relay_fixtures",)

OFFER = HandSender.offer
DECLINED_AS = 'forbidden xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"'


def test_from_slixmpp(new_receiver, each_site):
    bob = new_receiver(each_site)
    running, jid = bob.start("--yes", "--count", "1", is_private=False)
    with running, StreamSender(each_site.xmpp, each_site.new_user()) as alice:
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
