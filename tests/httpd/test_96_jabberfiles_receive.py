"""jabberfiles receive: announcements of all kinds become files, and senders get their answers.

The Jabber servers are real, the senders are slixmpp, the files lie on a real httpd."""

import hashlib
import os
import threading

import pytest

from file_sender import FileSender, oob, sfs
from http_script import HttpScript, serve, serve_later
from jabberfiles import INTERRUPT
from receiver import Receiver, bare
from records import wait_until
from xmpp_prosody import Prosody

CONTENT = os.urandom(300_000)


@pytest.fixture(params=["prosody", "ejabberd"])
def each_xmpp(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def new_receiver(env, tmp_path):
    return lambda xmpp, user=None: Receiver(env, tmp_path / "bob", xmpp, user or xmpp.new_user())


@pytest.fixture
def link(owner):
    """The link of a file with CONTENT, as a URL."""
    return owner.put("notes.bin", CONTENT).text.strip()


# Messages


@pytest.mark.parametrize("announce", [sfs, lambda url, _: oob(url),
                                      lambda url, content: oob(url) + sfs(url, content)],
                         ids=["sfs", "oob", "both"])
def test_a_friends_file_is_saved(each_xmpp, new_receiver, link, announce):
    bob = new_receiver(each_xmpp)
    with FileSender(each_xmpp, each_xmpp.new_user()) as alice:
        running, _ = bob.start("--auto-from", bare(alice))
        with running:
            alice.tell(bob.user.jid, announce(link, CONTENT))
            file = running.wait_for_object(type="file")
            done = running.stop()
    assert bob.saved() == {"notes.bin": CONTENT}
    assert file["path"] == str(bob.files / "notes.bin")
    assert (file["from"], file["url"]) == (f"{bare(alice)}/phone", link)
    assert file["size_bytes"] == len(CONTENT)
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (done.code, done.err) == (0, "")


def test_what_came_while_nobody_was_online_is_saved(each_xmpp, new_receiver, link):
    bob = new_receiver(each_xmpp)
    with FileSender(each_xmpp, each_xmpp.new_user()) as alice:
        alice.tell(bob.user.jid, oob(link) + sfs(link, CONTENT))
        # The server answers in order: after this it has the message.
        number = alice.ask_to_fetch(f"{bob.user.jid}/nobody", link)
        alice.wait_for_answer(number)
        running, _ = bob.start("--auto-from", bare(alice))
        with running:
            running.wait_for_object(type="file")
            told = running.wait_for_object(type="announcement")
            assert running.stop().code == 0
    assert bob.saved() == {"notes.bin": CONTENT}
    assert told["sent"][:2] == "20"


def test_all_files_of_a_message_are_saved(receiver, alice, owner):
    links = [owner.put(f"{i}.txt", f"file {i}".encode()).text.strip() for i in range(3)]
    running, _ = receiver.start("--auto-from", bare(alice))
    with running:
        alice.tell(receiver.user.jid, "".join(sfs(link, f"file {i}".encode())
                                              for i, link in enumerate(links)))
        running.wait_for_object(type="file", name="2.txt")
    assert receiver.saved() == {f"{i}.txt": f"file {i}".encode() for i in range(3)}


def test_more_arrives_while_a_file_is_downloaded(receiver, alice, owner):
    may_go_on = threading.Event()
    running, jid = receiver.start("--auto-from", bare(alice))
    with running, HttpScript([serve_later(may_go_on, b"slow")]) as web:
        alice.tell(receiver.user.jid, oob(web.url("/slow.txt")))
        wait_until(lambda: "GET" in web.methods(), 20, "never asked for")
        links = [owner.put(f"{i}.txt", b"quick").text.strip() for i in range(5)]
        for link in links[:4]:
            alice.tell(receiver.user.jid, oob(link))
        number = alice.ask_to_fetch(jid, links[4])
        # The connection is alive meanwhile: this is answered at once.
        alice.say(f"<iq type='get' id='ping' to='{jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert "result" in alice.wait_for_answer("ping")
        assert alice.answers(number) == []
        may_go_on.set()
        assert "result" in alice.wait_for_answer(number)
    assert sorted(receiver.saved()) == [*(f"{i}.txt" for i in range(5)), "slow.txt"]


def test_files_of_the_same_name_do_not_replace_each_other(receiver, alice, new_owner):
    links = [new_owner().put("same.txt", content).text.strip() for content in (b"one", b"two")]
    (receiver.files / "same.txt").write_bytes(b"mine")
    running, _ = receiver.start("--auto-from", bare(alice))
    with running:
        for link in links:
            alice.tell(receiver.user.jid, oob(link))
        running.wait_for_object(type="file", url=links[1])
    saved = receiver.saved()
    assert saved.pop("same.txt") == b"mine"
    assert sorted(saved.values()) == [b"one", b"two"]


def test_the_own_phone_may_send_too(receiver, prosody, link):
    with FileSender(prosody, receiver.user) as phone:
        running, _ = receiver.start("--auto-from", receiver.user.jid)
        with running:
            phone.tell(receiver.user.jid, oob(link), kind="normal")
            running.wait_for_object(type="file")
            assert running.wait_for_object(type="announcement")["is_stranger"] is False
    assert receiver.saved() == {"notes.bin": CONTENT}


def test_a_phone_of_higher_priority_does_not_take_all(new_receiver, start_own_xmpp, link):
    """The server copies to us what it sends to the phone."""
    xmpp = start_own_xmpp(Prosody, "prosody-that-copies", hosts=("example.org",),
                          more='modules_enabled = { "carbons" }')
    bob = new_receiver(xmpp)
    with FileSender(xmpp, xmpp.new_user()) as alice, FileSender(xmpp, bob.user) as phone:
        phone.say("<presence><priority>50</priority></presence>")
        running, _ = bob.start("--auto-from", bare(alice))
        with running:
            alice.tell(bob.user.jid, oob(link))
            assert running.wait_for_object(type="file")["from"] == f"{bare(alice)}/phone"
    assert bob.saved() == {"notes.bin": CONTENT}


def test_a_line_for_each_file_as_text(receiver, alice, link):
    with receiver.tool.start(*receiver.arguments("--auto-from", bare(alice))) as running:
        running.wait_for(f"waiting for files as {receiver.user.jid}")
        alice.tell(receiver.user.jid, oob(link))
        running.wait_for("saved as")
        done = running.stop()
    assert done.lines == [f"notes.bin from {bare(alice)}: saved as {receiver.files}/notes.bin"
                          " (293 KiB)"]


# Questions


def test_a_person_is_asked_and_says_yes(receiver, alice, link):
    with receiver.tool.on_terminal(*receiver.arguments()) as terminal:
        terminal.expect("waiting for files")
        alice.tell(receiver.user.jid, oob(link) + sfs(link, CONTENT))
        terminal.expect(bare(alice)).expect("you do not know the sender").expect("127.0.0.1")
        terminal.answer("Download notes.bin (293 KiB) from ", "y")
        terminal.expect("saved as").type(INTERRUPT)
        assert terminal.finish().code == 0
    assert receiver.saved() == {"notes.bin": CONTENT}


def test_a_person_is_asked_and_says_no(receiver, alice, link):
    with receiver.tool.on_terminal(*receiver.arguments()) as terminal:
        terminal.expect("waiting for files")
        alice.tell(receiver.user.jid, oob(link))
        terminal.answer("Download notes.bin (293 KiB) from ", "n").expect("declined: you said no")
        terminal.expect(link).type(INTERRUPT)
        assert terminal.finish().code == 0
    assert receiver.saved() == {}


def test_a_question_may_stay_open_while_more_arrives(receiver, alice, owner):
    links = [owner.put(f"{i}.txt", b"x").text.strip() for i in range(3)]
    with receiver.tool.on_terminal(*receiver.arguments()) as terminal:
        terminal.expect("waiting for files")
        for link in links:
            alice.tell(receiver.user.jid, oob(link))
        for i in range(3):
            terminal.answer(f"Download {i}.txt (", "y").expect("saved as")
    assert len(receiver.saved()) == 3


def test_where_nobody_can_be_asked_strangers_are_declined_without_a_look(receiver, alice):
    with HttpScript([serve(b"x")]) as web:
        running, jid = receiver.start("--auto-from", "somebody.else@example.org")
        with running:
            alice.tell(receiver.user.jid, oob(web.url("/a.txt")))
            declined = running.wait_for_object(type="declined")
            assert "--auto-from" in declined["reason"]
            assert "not-acceptable" in alice.wait_for_answer(
                alice.ask_to_fetch(jid, web.url("/b.txt")))
            assert running.stop().code == 0
        assert web.connection_count == 0
    assert receiver.saved() == {}


def test_who_is_on_the_contact_list_is_no_stranger(receiver, prosody, alice, link):
    with FileSender(prosody, receiver.user) as phone:
        phone.say(f"<iq type='set' id='add'><query xmlns='jabber:iq:roster'>"
                       f"<item jid='{bare(alice)}' name='Alice'/></query></iq>")
        phone.wait_for_answer("add")
    running, _ = receiver.start()
    with running:
        alice.tell(receiver.user.jid, oob(link))
        assert running.wait_for_object(type="announcement")["is_stranger"] is False
        running.wait_for_object(type="declined")


def test_yes_takes_files_from_everybody(receiver, alice, link):
    running, _ = receiver.start("--yes")
    with running:
        alice.tell(receiver.user.jid, oob(link))
        running.wait_for_object(type="file")
    assert receiver.saved() == {"notes.bin": CONTENT}


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(101 << 20)}],
                         ids=["unknown size", "above the default"])
def test_what_is_taken_unasked_has_a_size_and_a_limit(receiver, alice, headers):
    def step(exchange):
        exchange.send_head(200, {**headers, "Connection": "close"})
        exchange.close()

    with HttpScript([step]) as web:
        running, _ = receiver.start("--auto-from", bare(alice))
        with running:
            alice.tell(receiver.user.jid, oob(web.url("/a.txt")))
            assert "size" in running.wait_for_object(type="declined")["reason"]
        assert web.methods() == ["HEAD"]


def test_what_is_too_much_to_be_taken_unasked_is_asked_about(receiver, alice):
    def step(exchange):
        exchange.send_head(200, {"Content-Length": str(101 << 20)})
        assert exchange.heard.method == "HEAD"

    with HttpScript([step]) as web, \
            receiver.tool.on_terminal(*receiver.arguments("--auto-from", bare(alice))) as terminal:
        terminal.expect("waiting for files")
        alice.tell(receiver.user.jid, oob(web.url("/film.mkv")))
        terminal.answer("Download film.mkv (101 MiB) from ", "n").expect("declined: you said no")


def test_max_size_is_a_limit_for_all(receiver, alice, link):
    running, jid = receiver.start("--auto-from", bare(alice), "--max-size", "200K")
    with running:
        answer = alice.wait_for_answer(alice.ask_to_fetch(jid, link))
        running.wait_for_object(type="declined")
    assert "not-acceptable" in answer
    assert receiver.saved() == {}


# jabber:iq:oob


def test_an_iq_is_answered_after_the_last_byte(each_xmpp, new_receiver):
    bob = new_receiver(each_xmpp)
    may_go_on = threading.Event()

    def slow(exchange):
        exchange.send_head(200, {"Content-Length": str(len(CONTENT))})
        if exchange.heard.method != "HEAD":
            exchange.send(CONTENT[:-1])
            may_go_on.wait(60)
            exchange.send(CONTENT[-1:])

    with FileSender(each_xmpp, each_xmpp.new_user()) as alice, HttpScript([slow]) as web:
        running, jid = bob.start("--auto-from", bare(alice))
        with running:
            number = alice.ask_to_fetch(jid, web.url("/a.bin"))
            wait_until(lambda: any(len(content) > 100_000 for content in bob.saved().values()),
                       20, "nothing arrives")
            alice.say(f"<iq type='get' id='p' to='{jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
            alice.wait_for_answer("p")
            assert alice.answers(number) == []
            may_go_on.set()
            answer = alice.wait_for_answer(number)
            assert bob.saved() == {"a.bin": CONTENT}
    assert "type=\"result\"" in answer and "query" not in answer


def test_an_iq_for_a_file_that_is_gone_fails(receiver, alice, server):
    gone = server.url("/files/AAAAAAAAAAAAAAAAAAAAAA/gone.txt")
    running, jid = receiver.start("--auto-from", bare(alice))
    with running:
        answer = alice.wait_for_answer(alice.ask_to_fetch(jid, gone))
        failed = running.wait_for_object(type="failed")
        assert running.stop().code == 0
    for part in ("type=\"error\"", "item-not-found", "type=\"cancel\"", "jabber:iq:oob", gone):
        assert part in answer
    assert failed["url"] == gone and failed["reason"]


def test_an_iq_that_a_person_refuses_is_not_acceptable(receiver, alice, link):
    with receiver.tool.on_terminal(*receiver.arguments("--json")) as terminal:
        terminal.expect("online")
        jid = next(line for line in terminal.screen.splitlines() if "online" in line)
        jid = jid.split('"jid"')[1].split('"')[1]
        number = alice.ask_to_fetch(jid, link)
        terminal.answer("Download", "n")
        answer = alice.wait_for_answer(number)
    for part in ("type=\"error\"", "not-acceptable", "type=\"modify\"", link):
        assert part in answer


# Beginning and end


def test_it_ends_after_so_many_files(receiver, alice, owner):
    links = [owner.put(f"{i}.txt", b"x").text.strip() for i in range(3)]
    running, _ = receiver.start("--auto-from", bare(alice), "--count", "2")
    with running:
        alice.tell(receiver.user.jid, oob(links[0].replace("0.txt", "missing.txt")))
        alice.tell(receiver.user.jid, "".join(sfs(link, b"x") for link in links))
        done = running.finish()
    assert done.code == 0
    assert sorted(receiver.saved()) == ["0.txt", "1.txt"]
    assert [each["url"] for each in done.objects if each["type"] == "declined"] == links[2:]


def test_an_end_amid_a_transfer_refuses_what_waits(receiver, alice, link):
    def endless(exchange):
        exchange.send_head(200, {"Content-Length": "1000000"})
        if exchange.heard.method != "HEAD":
            exchange.send(b"begin")
            exchange.hang()

    with HttpScript([endless]) as web:
        running, jid = receiver.start("--auto-from", bare(alice))
        with running:
            numbers = [alice.ask_to_fetch(jid, url) for url in (web.url("/a.bin"), link)]
            alice.tell(receiver.user.jid, oob(f"{link}?later"))
            wait_until(lambda: "GET" in web.methods(), 20, "never asked for")
            alice.say(f"<iq type='get' id='p' to='{jid}'><ping xmlns='urn:xmpp:ping'/></iq>")
            alice.wait_for_answer("p")
            done = running.stop()
        for number in numbers:
            assert "not-acceptable" in alice.wait_for_answer(number)
    assert done.code == 0
    assert [each["url"] for each in done.objects if each["type"] == "declined"] \
        == [web.url("/a.bin"), link, f"{link}?later"]
    assert "notes.bin" not in receiver.saved()


def test_a_lost_connection_is_made_again(new_receiver, start_own_xmpp, link):
    xmpp = start_own_xmpp(Prosody, "prosody-that-stops", hosts=("example.org",))
    bob, user = new_receiver(xmpp), xmpp.new_user()
    running, _ = bob.start("--auto-from", user.jid)
    with running:
        with xmpp.stopped():
            running.wait_for("trying again in 1 s")
            running.wait_for("trying again in 2 s")
        wait_until(lambda: [each["type"] for each in running.objects] == ["online"] * 2, 60,
                   "never online again")
        with FileSender(xmpp, user) as alice:
            alice.tell(bob.user.jid, oob(link))
            running.wait_for_object(type="file")
        assert running.stop().code == 0
    assert bob.saved() == {"notes.bin": CONTENT}


def test_a_wrong_password_ends_it_at_once(receiver):
    done = receiver.tool.run(*receiver.arguments(), env={"JABBERFILES_PASSWORD": "wrong"})
    assert done.code == 4
    assert "password" in done.err and done.out == ""


def test_a_server_that_is_not_there_ends_it_at_once(receiver):
    done = receiver.tool.run(*receiver.arguments("--connect", "127.0.0.1:1"))
    assert done.code == 6


def test_a_directory_that_is_not_there_is_told_before_anything_arrives(receiver):
    done = receiver.tool.run(*receiver.arguments("--directory", receiver.files / "no"))
    assert done.code == 2
    assert "--directory" in done.err and str(receiver.files / "no") in done.err
