"""jabberfiles announce: each recipient is told, and it is known what became of each."""

import contextlib

import pytest

from announcing import (CONTENT, NAMESPACES, SHA256, bodies, check_announcement, wait_for_bodies,
                        web_with_file)
from http_script import HttpScript, answer
from jabber_pair import HOST
from jabberfiles import Tool
from xmpp_client import ChatClient

BOGUS = f"nobody-is-here@{HOST}"


@pytest.fixture
def alice(pair):
    return pair.new_user()


@pytest.fixture(scope="module")
def web():
    with web_with_file() as made:
        yield made


@pytest.fixture
def url(web):
    return web.url("/u/7f3c/hello.txt")


@pytest.fixture
def tool(env, tmp_path, pair, alice):
    return Tool(env, tmp_path / "home", **pair.variables(alice))


@pytest.fixture
def announce(tool, pair):
    """Announces a link of this machine."""
    def run(url, *jids, **options):
        return tool.run("announce", *pair.options, "--allow-private", url, *jids, **options)

    return run


def test_an_offline_contact_gets_the_announcement_when_online(announce, pair, url):
    bob = pair.new_user()
    done = announce(url, bob.jid)
    assert (done.code, done.lines) == (0, [f"{bob.jid}  handed to the server"]), done
    with ChatClient(pair.xmpp, bob) as client:
        (message,) = wait_for_bodies(client)
    assert message.get("type") == "chat"
    check_announcement(message, url)


def test_the_text_comes_before_in_a_message_of_its_own(announce, pair, url):
    bob = pair.new_user()
    text = "Grüße & <b>: 'the' \"greeting\"\nof today \U0001F600"
    assert announce(url, bob.jid, "--message", text).code == 0
    with ChatClient(pair.xmpp, bob) as client:
        first, second = wait_for_bodies(client, 2)
    assert first.findtext("client:body", None, NAMESPACES) == text
    assert first.find("oob:x", NAMESPACES) is None
    assert first.get("id") != second.get("id")
    check_announcement(second, url)


def test_a_text_that_xml_cannot_carry_does_not_end_the_stream(announce, pair, url):
    bob = pair.new_user()
    assert announce(url, bob.jid, "--message", "bell \a, escape \x1b[31m").code == 0
    with ChatClient(pair.xmpp, bob) as client:
        first, second = wait_for_bodies(client, 2)
    assert first.findtext("client:body", None, NAMESPACES) == "bell ?, escape ?[31m"
    check_announcement(second, url)


def test_sims_on_demand(announce, pair, url):
    bob = pair.new_user()
    assert announce(url, bob.jid, "--sims").code == 0
    with ChatClient(pair.xmpp, bob) as client:
        (message,) = wait_for_bodies(client)
    reference = message.find("reference:reference", NAMESPACES)
    assert (reference.get("type"), reference.get("begin"), reference.get("end")) == \
        ("data", "0", str(len(url)))
    sharing = reference.find("sims:media-sharing", NAMESPACES)
    assert sharing.findtext("jingle:file/hash:hash", None, NAMESPACES) == SHA256
    assert sharing.findtext("jingle:file/jingle:size", None, NAMESPACES) == str(len(CONTENT))
    source = sharing.find("sims:sources/reference:reference", NAMESPACES)
    assert source.get("uri") == url
    message.remove(reference)
    check_announcement(message, url)


# Several recipients


def test_fourteen_of_fifteen_are_told(announce, pair, url):
    users = pair.new_users(14)
    jids = [user.jid for user in users]
    jids.insert(7, BOGUS)
    done = announce(url, *jids)
    assert done.code == 8, done
    assert [line.split("  ")[0] for line in done.lines] == jids
    assert [line for line in done.lines if not line.endswith("  handed to the server")] == \
        [line for line in done.lines if line.startswith(f"{BOGUS}  refused: no such user")]
    assert len([line for line in done.lines if line.endswith("  handed to the server")]) == 14
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ChatClient(pair.xmpp, user)) for user in users]
        for client in clients:
            (message,) = wait_for_bodies(client)
            check_announcement(message, url)


def test_programs_are_told_the_same(announce, pair, url):
    bob = pair.new_user()
    done = announce(url, bob.jid, BOGUS, "--json")
    assert done.code == 8, done
    told, refused = done.objects
    assert told == {"type": "recipient", "jid": bob.jid, "state": "handed", "reason": None}
    reason = refused.pop("reason")
    assert refused == {"type": "recipient", "jid": BOGUS, "state": "refused"}
    assert reason.startswith("no such user")


def test_nobody_told_is_a_refusal(announce, url):
    done = announce(url, BOGUS, f"another-{BOGUS}")
    assert done.code == 4, done
    assert all("  refused: no such user" in line for line in done.lines)
    assert len(done.lines) == 2


def test_a_recipient_named_twice_is_told_once(announce, pair, url):
    bob = pair.new_user()
    done = announce(url, bob.jid, bob.jid.upper())
    assert (done.code, len(done.lines)) == (0, 1), done
    with ChatClient(pair.xmpp, bob) as client:
        wait_for_bodies(client)
        assert bodies(client) == [url]


def test_a_domain_that_cannot_be_reached(announce, pair, url):
    bob = pair.new_user()
    far = ("carol@nowhere.example", "dave@nowhere.example")
    done = announce(url, far[0], bob.jid, far[1])
    assert done.code == 8, done
    assert done.lines[1] == f"{bob.jid}  handed to the server"
    for line, jid in ((done.lines[0], far[0]), (done.lines[2], far[1])):
        # Neither server talks to others here, and each says so in its own words.
        assert line.startswith(f"{jid}  refused: messages from this account are not let through "
                               "(the server says: "), done


# The link


def test_a_link_to_nothing_is_not_announced(announce, pair):
    bob = pair.new_user()
    with HttpScript([answer(404)]) as web:
        done = announce(web.url("/gone.txt"), bob.jid)
    assert (done.code, done.out) == (3, ""), done
    with ChatClient(pair.xmpp, bob) as client:
        assert bodies(client) == []


@pytest.mark.parametrize("link", ["ftp://example.org/x", "aesgcm://example.org/x#00",
                                  "https://example.org/x#y", "https://example.org/ü",
                                  "https://example.org/a b", "hello.txt"])
def test_what_is_no_link_for_all_clients(announce, pair, link):
    done = announce(link, pair.new_user().jid)
    assert (done.code, done.out) == (2, ""), done
    assert "cannot be announced" in done.err


def test_an_address_in_the_own_area_is_for_nobody_else(announce, pair, alice, web):
    done = announce(web.url(f"/files/{alice.jid}/a.txt"), pair.new_user().jid,
                    "--url", web.url("/files"))
    assert (done.code, done.out) == (2, ""), done
    assert "opens for nobody but you" in done.err


def test_a_link_that_cannot_be_looked_at(announce, pair, url):
    bob = pair.new_user()
    with HttpScript([answer(403)]) as web:
        link = web.url("/closed.txt")
        done = announce(link, bob.jid)
        assert (done.code, done.out) == (2, ""), done
        assert "--yes" in done.err
        done = announce(link, bob.jid, "--yes")
        assert (done.code, done.lines) == (0, [f"{bob.jid}  handed to the server"]), done
    with ChatClient(pair.xmpp, bob) as client:
        (message,) = wait_for_bodies(client)
    assert message.findtext("client:body", None, NAMESPACES) == link
    sharing = message.find("sfs:file-sharing", NAMESPACES)
    assert sharing.findtext("file:file/file:name", None, NAMESPACES) == "closed.txt"
    assert sharing.find("file:file/file:size", NAMESPACES) is None
