"""jabberfiles receive meets senders and servers that mean harm: what they send is bounded, never
leads into our network, never becomes a path, and reaches no terminal as it is."""

import re
import threading
import time

import pytest

from file_sender import FileSender, oob, sfs
from http_script import HttpScript, answer, serve, serve_later
from receiver import bare
from records import wait_until

# What no terminal must get: control characters but line ends, and overrides of the direction.
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def eve(prosody):
    with FileSender(prosody, prosody.new_user(), resource="dark") as sender:
        yield sender


def settle(sender, jid):
    """Returns when the tool has seen all that `sender` has sent."""
    number = f"settle-{time.monotonic_ns()}"
    sender.say(f"<iq type='get' id='{number}' to='{jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
    sender.wait_for_answer(number)


# Who it is


def test_a_spoofed_sender_is_not_believed(receiver, alice, eve):
    """The server says who it was, whatever the sender wrote."""
    with HttpScript([serve(b"evil")]) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            eve.tell(receiver.user.jid, oob(web.url("/a")), more=f"from='{bare(alice)}/phone'")
            eve.tell(receiver.user.jid, oob(web.url("/b")))
            eve.say(f"<iq type='set' to='{jid}' id='x' from='{bare(alice)}'><query "
                         f"xmlns='jabber:iq:oob'><url>{web.url('/c')}</url></query></iq>")
            settle(alice, jid)
            assert running.stop().code == 0
        assert web.connection_count == 0
    assert all(each["from"].startswith(bare(eve)) for each in running.objects
               if each["type"] == "announcement")
    assert receiver.saved() == {}


@pytest.mark.parametrize("resource", ["alice@example.org", "a/alice@example.org"])
def test_a_resource_that_looks_like_a_friend_is_none(receiver, prosody, resource):
    user = prosody.new_user()
    with FileSender(prosody, user, resource=resource) as mallory, HttpScript([serve(b"")]) as web:
        running, _ = receiver.start("--auto-from", "alice@example.org")
        with running:
            mallory.tell(receiver.user.jid, oob(web.url("/a")))
            running.wait_for_object(type="declined", **{"from": f"{user.jid}/{resource}"})
        assert web.connection_count == 0


def test_what_is_no_announcement_of_the_sender_is_left_alone(receiver, alice, eve):
    forged = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' " \
        "from='{friend}/phone' to='{me}'>{content}</message></forwarded>"
    with HttpScript([serve(b"evil")]) as web:
        running, jid = receiver.start("--auto-from", bare(alice), "--auto-from", bare(eve))
        with running:
            content = oob(web.url("/a"))
            inner = forged.format(friend=bare(alice), me=receiver.user.jid, content=content)
            eve.tell(receiver.user.jid, f"<received xmlns='urn:xmpp:carbons:2'>{inner}</received>")
            eve.tell(receiver.user.jid, f"<result xmlns='urn:xmpp:mam:2'>{inner}</result>")
            eve.tell(jid, content + "<error type='cancel'/>", kind="error")
            eve.tell(jid, content, kind="groupchat")
            eve.tell(jid, content, kind="headline")
            eve.say(f"<presence to='{jid}'>{content}</presence>")
            eve.say(f"<iq to='{jid}' type='result' id='q'><query xmlns='jabber:iq:oob'>"
                         f"<url>{web.url('/a')}</url></query></iq>")
            settle(eve, jid)
            done = running.stop()
        assert web.connection_count == 0
    assert [each["type"] for each in done.objects] == ["online"]


# Where it leads


@pytest.mark.parametrize("option", ["--yes", "--auto-from"])
def test_links_into_our_own_network_are_not_followed(receiver, alice, option):
    with HttpScript([serve(b"secret")]) as web:
        places = [web.url("/a"), web.url("/a", host="localhost"), web.url("/a", host="2130706433"),
                  web.url("/a", host="[::ffff:127.0.0.1]"), web.url("/a", host="0"),
                  "http://10.0.0.1/", "http://192.168.0.1/x", "http://169.254.169.254/latest/"]
        running, jid = receiver.start(option, *([bare(alice)] if option != "--yes" else []),
                                      is_private=False)
        with running:
            for place in places:
                reply = alice.wait_for_answer(alice.ask_to_fetch(jid, place))
                assert "type=\"error\"" in reply
            assert running.stop().code == 0
        assert web.connection_count == 0
    assert receiver.saved() == {}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)",
                                 "gopher://127.0.0.1:70/x", "", "http://", "aesgcm://host/x#00"])
def test_other_schemes_are_refused_at_once(receiver, alice, url):
    running, jid = receiver.start("--yes")
    with running:
        assert "not-acceptable" in alice.wait_for_answer(alice.ask_to_fetch(jid, url))
        assert [each["type"] for each in running.stop().objects] == ["online"]


def test_the_password_stays_here_although_a_link_leads_into_our_own_area(receiver, alice):
    with HttpScript([serve(b"x")]) as web:
        running, _ = receiver.start("--auto-from", bare(alice), "--url", web.url("/files"))
        with running:
            alice.tell(receiver.user.jid, oob(web.url(f"/files/{receiver.user.jid}/private.txt")))
            running.wait_for_object(type="file")
    assert web.methods() == ["HEAD", "GET"]
    assert all("Authorization" not in heard.headers for heard in web.heard)


# How it is called


@pytest.mark.parametrize("name", ["../../.bashrc", "/etc/passwd", "..\\..\\evil.exe", "..", "",
                                  ".profile", "-rf", "a/../../b", "\u202egpj.exe", "x\u0085y"])
def test_a_claimed_name_stays_in_the_directory(receiver, alice, name):
    before = set(receiver.tool.home.iterdir())
    with HttpScript([serve(b"evil")]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, sfs(web.url("/a.txt"), b"evil", name=name))
            running.wait_for_object(type="file")
            assert running.stop().code == 0
    saved = receiver.saved()
    assert list(saved.values()) == [b"evil"]
    (kept,) = saved
    assert not kept.startswith((".", "-")) and not DANGEROUS.search(kept)
    new = {path.name for path in set(receiver.tool.home.iterdir()) - before}
    assert all(name.startswith(".running-") for name in new)


@pytest.mark.parametrize("disposition", [
    'attachment; filename="../../.bashrc"', "attachment; filename*=UTF-8''..%2f..%2f.bashrc",
    'attachment; filename="\x1b]0;owned\x07"', "attachment; filename*=UTF-8''%1b%5b2Jx",
    "attachment; filename*=UTF-8''a%00b", "attachment; filename*=UTF-8''%E2%80%AEgpj.exe"])
def test_a_name_from_the_server_stays_in_the_directory(receiver, alice, disposition):
    with HttpScript([serve(b"evil", {"Content-Disposition": disposition})]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, oob(web.url("/a.txt")))
            running.wait_for_object(type="file")
            running.stop()
    (kept,) = receiver.saved()
    assert not kept.startswith((".", "-")) and not DANGEROUS.search(kept)
    assert not (receiver.tool.home / ".bashrc").exists()


@pytest.mark.parametrize("claims", [{"name": "\u202egpj.exe"}, {"desc": "a\u009b2Jb\u2066"},
                                    {"media-type": "text/\u202eplain"}, {"name": "a\nb\tc"}])
def test_nothing_of_it_reaches_the_terminal_as_it_is(receiver, alice, claims):
    headers = {"Content-Disposition": "attachment; filename*=UTF-8''%1b%5d0;x%07.txt",
               "Content-Type": "text/\x1bx"}
    with HttpScript([serve(b"evil", headers)]) as web, \
            receiver.tool.on_terminal(*receiver.arguments()) as terminal:
        terminal.expect("waiting for files")
        alice.tell(receiver.user.jid, sfs(web.url("/%1b%5b2Ja.txt"), b"evil", **claims))
        terminal.answer("Download", "n").expect("declined").type(b"\x03")
        terminal.finish()
        shown = terminal.screen
    # The prompt's own codes are not the sender's.
    assert not re.search("\x1b\\]|\x1b\\[2J|[\x80-\x9f\u202a-\u202e\u2066-\u2069]", shown), shown


@pytest.mark.parametrize("name", ["x\u009b2J", "\u202egpj.exe", "x\u0085y", "\u2028z"])
def test_nor_does_json(receiver, alice, name):
    with HttpScript([serve(b"evil")]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, sfs(web.url("/a.txt"), b"evil", name=name))
            running.wait_for('"type":"file"')
            done = running.stop()
    assert not DANGEROUS.search(done.out)
    assert done.objects[1]["name"] == name


# How large it is


def test_the_limit_holds_for_the_true_size_not_the_claimed_one(receiver, alice):
    with HttpScript([serve(bytes(2 << 20))]) as web:
        running, _ = receiver.start("--auto-from", bare(alice), "--max-size", "1M")
        with running:
            alice.tell(receiver.user.jid, sfs(web.url("/a"), b"tiny"))
            running.wait_for_object(type="declined")
        assert web.methods() == ["HEAD"]
    assert receiver.saved() == {}


def test_a_body_that_does_not_end_is_cut_off(receiver, alice):
    """The HEAD says ten bytes; the body says nothing of its length and goes on."""
    is_over = threading.Event()

    def step(exchange):
        if exchange.heard.method == "HEAD":
            exchange.answer(200, b"0123456789")
            return
        exchange.send_head(200, {"Connection": "close"})
        try:
            for _ in range(10_000):
                exchange.send(bytes(65536))
        finally:
            is_over.set()

    with HttpScript([step]) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            reply = alice.wait_for_answer(alice.ask_to_fetch(jid, web.url("/a")))
            assert is_over.wait(20)
            running.wait_for_object(type="failed")
    assert "item-not-found" in reply
    assert receiver.saved() == {}


def test_a_claim_that_the_server_contradicts_is_told(receiver, alice):
    with HttpScript([serve(b"longer than told")]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, sfs(web.url("/a"), b"longer than told", size=3))
            running.wait_for_object(type="file")
            done = running.stop()
    assert [each["type"] for each in done.errors] == ["warning"]


# What is in it


def test_what_is_not_what_was_promised_is_not_kept(receiver, alice):
    with HttpScript([serve(b"evil twin")]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, sfs(web.url("/a.txt"), b"good twin"))
            failed = running.wait_for_object(type="failed")
            assert running.stop().code == 0
        assert "GET" in web.methods()
    assert "SHA-256" in failed["reason"]
    assert receiver.saved() == {}


def test_what_comes_in_the_clear_needs_a_digest_to_be_taken_unasked(receiver, alice):
    """Whoever is on the way could replace it."""
    url = "http://10.0.0.1/a.txt"
    running, _ = receiver.start("--auto-from", bare(alice), is_private=False)
    with running:
        alice.tell(receiver.user.jid, sfs(url, b"x", sha256=None))
        assert "encrypted" in running.wait_for_object(type="declined")["reason"]
        alice.tell(receiver.user.jid, sfs(url, b"x"))
        assert "private address" in running.wait_for_object(type="failed")["reason"]


def test_an_error_page_is_no_file(receiver, alice):
    with HttpScript([answer(403, b"<html>no</html>")]) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            reply = alice.wait_for_answer(alice.ask_to_fetch(jid, web.url("/a.txt")))
            running.wait_for_object(type="failed")
    assert "item-not-found" in reply
    assert receiver.saved() == {}


# How much of it comes


def test_a_flood_does_not_hinder_a_friend(receiver, alice, eve):
    with HttpScript([serve(b"from a friend")]) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            for number in range(1000):
                eve.tell(receiver.user.jid, oob(web.url(f"/flood/{number}")))
            alice.tell(receiver.user.jid, oob(web.url("/friend.txt")))
            running.wait_for_object(type="file", url=web.url("/friend.txt"))
            settle(eve, jid)
            done = running.stop()
        assert {heard.target for heard in web.heard} == {"/friend.txt"}
    assert done.code == 0
    assert receiver.saved() == {"friend.txt": b"from a friend"}


def test_a_flood_while_a_file_is_downloaded_is_bounded(receiver, alice, eve):
    may_go_on = threading.Event()
    with HttpScript({"/slow": [serve_later(may_go_on, b"slow")], "*": [serve(b"quick")]}) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, oob(web.url("/slow")))
            wait_until(lambda: "GET" in web.methods(), 20, "never asked for")
            for number in range(300):
                eve.tell(receiver.user.jid, oob(web.url(f"/flood/{number}")))
            refused = eve.wait_for_answer(eve.ask_to_fetch(jid, web.url("/late")))
            settle(eve, jid)
            alice.tell(receiver.user.jid, oob(web.url("/friend")))
            settle(alice, jid)
            may_go_on.set()
            running.wait_for_object(type="file", url=web.url("/friend"))
            done = running.stop()
    assert "resource-constraint" in refused
    assert len([each for each in done.objects if each["type"] == "declined"]) == 50
    assert [each["type"] for each in done.errors] == ["warning"]
    assert "251" in done.errors[0]["message"]
    assert sorted(receiver.saved()) == ["friend", "slow"]
