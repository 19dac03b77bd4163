"""Who is asked before jabberfiles shows an address of its machine, on both ends."""

import pytest

from direct_sender import CONTENT, DONE, DirectSender, arrives_by_upload, ask, full_jid, states
from file_sender import FileSender
from http_script import HttpScript, serve
from jabberfiles import INTERRUPT
from receiver import Receiver

REFUSED = 4


@pytest.fixture
def sender(env, tmp_path, pairs):
    return DirectSender(env, tmp_path, pairs.get("prosody"))


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
