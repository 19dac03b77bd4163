"""jabberfiles announce in rooms: entered, told, left; and what is said where that does not work."""

import contextlib
import itertools
import xml.etree.ElementTree as ElementTree

import pytest

from announcing import (ARRIVE_SECONDS, NAMESPACES, check_announcement, elements, wait_for_bodies,
                        web_with_file)
from jabber_pair import HOST, JOIN, ROOMS_HOST
from jabberfiles import Tool
from records import wait_until
from xmpp_client import ChatClient

OWNER = "http://jabber.org/protocol/muc#owner"
ADMIN = "http://jabber.org/protocol/muc#admin"
MUC_USER = "{http://jabber.org/protocol/muc#user}"
VERSION_OF_FORM = "http://jabber.org/protocol/muc#roomconfig"


class Occupant:
    """Somebody's chat client in a room."""

    def __init__(self, client, room, nick):
        self.client = client
        self.room = room
        self._ids = itertools.count()
        client.say(f"<presence to='{room}/{nick}'>{JOIN}</presence>")
        wait_until(lambda: "110" in self._statuses(f"{room}/{nick}"), ARRIVE_SECONDS,
                   f"{nick} does not get into {room}: {client.arrived}")

    def _presences(self, occupant):
        return [element for element in elements(self.client, "presence")
                if element.get("from") == occupant]

    def _statuses(self, occupant):
        return [status.get("code") for presence in self._presences(occupant)
                for status in presence.iter(f"{MUC_USER}status")]

    def wait_until_gone(self, nick):
        """Waits until somebody who was here has left."""
        wait_until(lambda: [presence.get("type") for presence in
                            self._presences(f"{self.room}/{nick}")] == [None, "unavailable"],
                   ARRIVE_SECONDS, f"{nick} did not come and go: {self.client.arrived}")

    def ask(self, kind, to, query):
        """Sends an iq; returns the answer."""
        number = f"ask-{next(self._ids)}"
        self.client.say(f"<iq type='{kind}' to='{to}' id='{number}'>{query}</iq>")
        (answer,) = wait_until(
            lambda: [iq for iq in elements(self.client, "iq") if iq.get("id") == number],
            ARRIVE_SECONDS, f"no answer: {self.client.arrived}")
        return answer

    def configure(self, **fields):
        """Changes the room, whose owner this is; "__" stands for a form's own prefix."""
        values = {"FORM_TYPE": VERSION_OF_FORM,
                  **{name.replace("__", "muc#roomconfig_"): value
                     for name, value in fields.items()}}
        lines = "".join(f"<field var='{name}'><value>{value}</value></field>"
                        for name, value in values.items())
        answer = self.ask("set", self.room, f"<query xmlns='{OWNER}'>"
                          f"<x xmlns='jabber:x:data' type='submit'>{lines}</x></query>")
        assert answer.get("type") == "result", ElementTree.tostring(answer)

    def ban(self, user):
        answer = self.ask("set", self.room, f"<query xmlns='{ADMIN}'>"
                          f"<item affiliation='outcast' jid='{user.jid}'/></query>")
        assert answer.get("type") == "result", ElementTree.tostring(answer)


@pytest.fixture
def alice(pair):
    return pair.new_user()


@pytest.fixture
def enter(pair):
    """Lets a user enter a room with a chat client until the end of the test."""
    with contextlib.ExitStack() as stack:
        def enter_room(user, room, nick=None):
            client = stack.enter_context(ChatClient(pair.xmpp, user))
            return Occupant(client, room, nick or user.localpart)

        yield enter_room


@pytest.fixture
def bob(pair, enter):
    """The owner of a new room, in it."""
    user = pair.new_user()
    return enter(user, pair.new_room(user), "bob")


@pytest.fixture(scope="module")
def url():
    with web_with_file() as web:
        yield web.url("/u/7f3c/hello.txt")


@pytest.fixture
def tool(env, tmp_path, pair, alice):
    return Tool(env, tmp_path / "home", **pair.variables(alice))


@pytest.fixture
def announce(tool, pair, url):
    def run(*args):
        return tool.run("announce", *pair.options, "--allow-private", url, *args)

    return run


def refusal(done, room):
    """Why the only recipient, a room, was not told."""
    start = f"{room}  refused: "
    assert (done.code, len(done.lines)) == (4, 1), done
    assert done.lines[0].startswith(start), done
    return done.lines[0].removeprefix(start)


# What works


def test_a_room_is_told_and_left(announce, alice, bob, url):
    done = announce(bob.room)
    assert (done.code, done.lines) == (0, [f"{bob.room}  posted in the room"]), done
    (message,) = wait_for_bodies(bob.client)
    assert message.get("type") == "groupchat"
    assert message.get("from") == f"{bob.room}/{alice.localpart}"
    check_announcement(message, url)
    bob.wait_until_gone(alice.localpart)


def test_the_text_comes_first(announce, bob, url):
    assert announce(bob.room, "--message", "the minutes").code == 0
    first, second = wait_for_bodies(bob.client, 2)
    assert first.findtext("client:body", None, NAMESPACES) == "the minutes"
    check_announcement(second, url)


def test_programs_are_told_that_it_is_posted(announce, bob):
    assert announce(bob.room, "--json").objects == [
        {"type": "recipient", "jid": bob.room, "state": "posted", "reason": None}]


def test_a_nickname_that_somebody_else_has(announce, pair, alice, bob, enter):
    enter(pair.new_user(), bob.room, alice.localpart)
    done = announce(bob.room)
    assert done.code == 0, done
    (message,) = wait_for_bodies(bob.client)
    assert message.get("from") == f"{bob.room}/{alice.localpart}-2"
    bob.wait_until_gone(f"{alice.localpart}-2")


def test_another_client_of_ours_is_there_and_stays(announce, alice, bob, enter, url):
    other = enter(alice, bob.room)
    done = announce(bob.room)
    assert (done.code, done.lines) == (0, [f"{bob.room}  posted in the room"]), done
    (message,) = wait_for_bodies(other.client)
    assert message.findtext("client:body", None, NAMESPACES) == url
    # It is still in: the room shows it what is said.
    other.client.say(f"<message type='groupchat' to='{bob.room}'><body>still here</body>"
                     "</message>")
    wait_for_bodies(other.client, 2)


def test_the_same_link_twice(announce, bob):
    """What was posted before must not be taken for what is posted now."""
    for count in (1, 2):
        assert announce(bob.room).code == 0
        assert len(wait_for_bodies(bob.client, count)) == count


def test_persons_and_rooms_at_once(announce, pair, bob):
    carol = pair.new_user()
    missing, bogus = f"missing@{ROOMS_HOST}", f"nobody-is-here@{HOST}"
    done = announce(missing, carol.jid, bob.room, bogus)
    assert done.code == 8, done
    assert done.lines[1:3] == [f"{carol.jid}  handed to the server",
                               f"{bob.room}  posted in the room"]
    assert done.lines[0].startswith(f"{missing}  refused: there is no such room")
    assert done.lines[3].startswith(f"{bogus}  refused: no such user")


# What does not


def test_a_room_that_does_not_exist_is_not_made(announce, bob):
    room = f"no-such-room@{ROOMS_HOST}"
    assert refusal(announce(room), room).startswith("there is no such room")
    answer = bob.ask("get", room, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    assert answer.get("type") == "error", ElementTree.tostring(answer)


def test_a_room_for_members(announce, bob):
    bob.configure(__membersonly=1)
    assert refusal(announce(bob.room), bob.room).startswith("only members may enter the room")


def test_a_room_with_a_password(announce, bob):
    bob.configure(__passwordprotectedroom=1, __roomsecret="open sesame")
    assert refusal(announce(bob.room), bob.room).startswith("the room wants a password")


def test_a_room_that_has_banned_us(announce, alice, bob):
    bob.ban(alice)
    assert refusal(announce(bob.room), bob.room).startswith("the room does not let this account in")


def test_a_room_where_we_have_no_voice(announce, alice, bob):
    bob.configure(__moderatedroom=1, members_by_default=0)
    reason = refusal(announce(bob.room), bob.room)
    assert reason.startswith("the room lets only those speak who have been given voice")
    bob.wait_until_gone(alice.localpart)
