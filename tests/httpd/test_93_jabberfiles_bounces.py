"""jabberfiles announce with servers that do what real ones do rarely or never: late and false
refusals, no answer, lost connections, texts that a terminal would obey."""

import re
import time
import xml.etree.ElementTree as ElementTree

import pytest

from announcing import web_with_file
from fake_xmpp import HEADER, PASSWORD, STEPS, USER, Over, features, honest
from jabberfiles import Tool
from records import wait_until

HOST = "example.org"
JID = f"{USER}@{HOST}"
BOB, CAROL, FAR = f"bob@{HOST}", f"carol@{HOST}", "dave@far.example"
BIND_NS = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS_NS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PING = "{urn:xmpp:ping}ping"
DISCO = "{http://jabber.org/protocol/disco#info}query"
NICK = f"/{USER}"
PAUSE_SECONDS = 0.1


def error(stanza, condition, text="", sender=None):
    """The answer that a server sends back instead of a stanza, perhaps from somebody else."""
    more = f"<text xmlns='{STANZAS_NS}'>{text}</text>" if text else ""
    return f"<{stanza.tag} type='error' id='{stanza.get('id')}' to='{JID}/tool' " \
        f"from='{sender or stanza.get('to')}'><error type='cancel'>" \
        f"<{condition} xmlns='{STANZAS_NS}'/>{more}</error></{stanza.tag}>"


def result(stanza):
    return f"<iq type='result' id='{stanza.get('id')}' from='{stanza.get('to')}'/>"


class Talk:
    """What comes after the login: `react` says what every stanza of the tool is answered with: a
    text, several that come one after the other with a pause, or None."""

    def __init__(self, react):
        self.react = react
        self.stanzas = []

    def _begin(self, visit):
        STEPS["success"](visit)
        visit.hear(rb"<stream:stream\b[^>]*>")
        visit.send(HEADER.format(domain=HOST) + features(f"<bind xmlns='{BIND_NS}'/>"))
        number = visit.hear(rb"<iq\b[^>]*\bid=.([^\"']*).[^>]*>.*?</iq>").group(1).decode()
        visit.send(f"<iq type='result' id='{number}'><bind xmlns='{BIND_NS}'>"
                   f"<jid>{JID}/tool</jid></bind></iq>")

    def _hear(self, visit):
        begin = visit.hear(rb"<(message|iq|presence)\b|</stream:stream>")
        name = begin.group(1)
        if name is None:
            visit.send("</stream:stream>")
            raise Over
        rest = visit.hear(rb"[^<>]*/>|.*?</%b>" % name).group()
        return ElementTree.fromstring(begin.group() + rest)

    def __call__(self, visit):
        self._begin(visit)
        while True:
            stanza = self._hear(visit)
            self.stanzas.append(stanza)
            answer = self.react(stanza) or ()
            for number, text in enumerate((answer,) if isinstance(answer, str) else answer):
                time.sleep(PAUSE_SECONDS if number else 0)
                visit.send(text)

    def of(self, name):
        return [stanza for stanza in self.stanzas if stanza.tag == name]


@pytest.fixture(scope="module")
def url():
    with web_with_file() as web:
        yield web.url("/u/7f3c/hello.txt")


@pytest.fixture
def announce(env, tmp_path, fake_server, authority, url):
    """Announces to a server that reacts as a function says; returns the end and the talk."""
    def run(react, *jids):
        talk = Talk(react)
        server = fake_server(honest(success=talk))
        tool = Tool(env, tmp_path / "home", JABBERFILES_JID=JID, JABBERFILES_PASSWORD=PASSWORD)
        done = tool.run("announce", "--connect", f"127.0.0.1:{server.port}", "--ca", authority.ca,
                        "--allow-private", url, *jids)
        return done, talk

    return run


def is_ping(stanza):
    return stanza.find(PING) is not None


def obliging(stanza):
    """Takes everything."""
    return result(stanza) if is_ping(stanza) else \
        error(stanza, "service-unavailable") if stanza.find(DISCO) is not None else None


def test_one_question_for_each_domain_after_all_messages(announce):
    done, talk = announce(obliging, BOB, FAR, CAROL)
    assert (done.code, done.lines) == (0, [f"{jid}  handed to the server"
                                           for jid in (BOB, FAR, CAROL)]), done
    order = [(stanza.tag, stanza.get("to")) for stanza in talk.stanzas
             if stanza.tag == "message" or is_ping(stanza)]
    assert order == [("message", BOB), ("message", FAR), ("message", CAROL), ("iq", HOST),
                     ("iq", "far.example")]
    assert len({message.get("id") for message in talk.of("message")}) == 3


def test_an_error_answers_the_question_as_well(announce):
    done, _ = announce(lambda stanza: error(stanza, "service-unavailable")
                       if stanza.tag == "iq" else None, BOB, FAR)
    assert done.code == 0, done


def test_a_refusal_that_comes_late(announce):
    messages = []

    def react(stanza):
        if stanza.tag == "message":
            messages.append(stanza)
        return (result(stanza), error(messages[0], "item-not-found")) if is_ping(stanza) else None

    done, _ = announce(react, BOB, CAROL)
    assert (done.code, done.lines) == (8, [f"{BOB}  refused: there is no such user",
                                           f"{CAROL}  handed to the server"]), done


def test_a_refusal_from_somebody_else_does_not_count(announce):
    def react(stanza):
        if stanza.tag == "message":
            return error(stanza, "item-not-found", sender="mallory@evil.example") + \
                error(stanza, "item-not-found", sender=f"{BOB}.evil.example") + \
                error(stanza, "item-not-found", sender=CAROL)
        return obliging(stanza)

    done, _ = announce(react, BOB)
    assert (done.code, done.lines) == (0, [f"{BOB}  handed to the server"]), done


def test_an_answer_from_somebody_else_does_not_count(announce):
    def react(stanza):
        if is_ping(stanza) and stanza.get("to") == "far.example":
            return error(stanza, "remote-server-not-found", sender="evil.example") + result(stanza)
        return obliging(stanza)

    done, _ = announce(react, FAR)
    assert done.code == 0, done


@pytest.mark.parametrize("condition", ["remote-server-not-found", "remote-server-timeout"])
def test_a_domain_that_cannot_be_reached(announce, condition):
    def react(stanza):
        return error(stanza, condition) if stanza.get("to") == "far.example" else obliging(stanza)

    done, _ = announce(react, BOB, FAR, "erin@far.example")
    assert done.code == 8, done
    assert done.lines[0] == f"{BOB}  handed to the server"
    for line, jid in zip(done.lines[1:], (FAR, "erin@far.example")):
        assert line.startswith(f"{jid}  refused: far.example cannot be reached: "), done


@pytest.mark.parametrize("condition, words", [
    ("service-unavailable", "no such user, or one who takes no messages from strangers"),
    ("not-acceptable", "the recipient does not take it, or has blocked this account"),
    ("resource-constraint", "too much is waiting for the recipient already"),
    ("policy-violation", "against the rules of the server"),
    ("made-up-condition", "the server says no and gives no reason"),
])
def test_reasons(announce, condition, words):
    done, _ = announce(lambda stanza: error(stanza, condition, "go \U0001F600 away")
                       if stanza.tag == "message" else obliging(stanza), BOB)
    assert (done.code, done.lines) == \
        (4, [f"{BOB}  refused: {words} (the server says: go \U0001F600 away)"]), done


def test_what_a_server_says_cannot_move_the_cursor(announce):
    text = "\u009b31m\u202egpj.exe\nbob@example.org  handed to the server\\x1b"
    done, _ = announce(lambda stanza: error(stanza, "item-not-found", text)
                       if stanza.tag == "message" else obliging(stanza), BOB)
    assert (done.code, len(done.lines)) == (4, 1), done
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.out), done


def test_a_lost_connection_is_no_reason_to_send_twice(announce):
    def react(stanza):
        if is_ping(stanza):
            raise OSError("the connection breaks")
        return None

    done, talk = announce(react, BOB, CAROL)
    assert done.code == 6, done
    for line, jid in zip(done.lines, (BOB, CAROL)):
        assert line.startswith(f"{jid}  failed: it is not known whether it has arrived: "), done
    assert len(talk.of("message")) == 2


def test_a_refusal_before_the_connection_is_lost_counts(announce):
    def react(stanza):
        if is_ping(stanza):
            raise OSError("the connection breaks")
        return error(stanza, "item-not-found") if stanza.get("to") == BOB else None

    done, _ = announce(react, BOB, CAROL)
    assert done.code == 6, done
    assert done.lines[0] == f"{BOB}  refused: there is no such user"
    assert done.lines[1].startswith(f"{CAROL}  failed: "), done


def test_an_interruption_tells_how_far_it_went(env, tmp_path, fake_server, authority, url):
    talk = Talk(lambda stanza: error(stanza, "item-not-found") if stanza.get("to") == BOB else None)
    server = fake_server(honest(success=talk))
    tool = Tool(env, tmp_path / "home", JABBERFILES_JID=JID, JABBERFILES_PASSWORD=PASSWORD)
    with tool.start("announce", "--connect", f"127.0.0.1:{server.port}", "--ca", authority.ca,
                    "--allow-private", url, BOB, CAROL) as running:
        wait_until(lambda: any(map(is_ping, talk.stanzas)), 20, "nothing is sent")
        done = running.stop()
    assert done.code == 130, done
    assert [line.partition(": ")[0] for line in done.lines] == \
        [f"{BOB}  refused", f"{CAROL}  failed"], done


# Rooms

ROOM = "team@rooms.example"
USER_X = "<x xmlns='http://jabber.org/protocol/muc#user'>{}</x>"
SELF = USER_X.format("<item role='participant'/><status code='110'/>")


class Room:
    """A room service of which some answers are replaced. `replaced` has for "enter", "message" and
    "leave" a function of the stanza."""

    def __init__(self, **replaced):
        self._replaced = replaced

    def enter(self, stanza):
        return f"<presence from='{stanza.get('to')}' to='{JID}/tool'>{SELF}</presence>"

    def leave(self, stanza):
        return f"<presence type='unavailable' from='{stanza.get('to')}'>{SELF}</presence>"

    def message(self, stanza):
        return self.reflect(stanza, stanza.get("id"))

    @staticmethod
    def reflect(stanza, number, more="", nick=NICK):
        return f"<message type='groupchat' id='{number}' from='{ROOM}{nick}' to='{JID}/tool'>" \
            f"<body>{stanza.findtext('body')}</body>{more}</message>"

    def __call__(self, stanza):
        if stanza.find(DISCO) is not None:
            return f"<iq type='result' id='{stanza.get('id')}' from='{stanza.get('to')}'>" \
                "<query xmlns='http://jabber.org/protocol/disco#info'>" \
                "<identity category='conference' type='text'/>" \
                "<feature var='http://jabber.org/protocol/muc'/></query></iq>"
        if stanza.tag == "iq":
            return obliging(stanza)
        what = "message" if stanza.tag == "message" else \
            "leave" if stanza.get("type") == "unavailable" else "enter"
        return self._replaced.get(what, getattr(self, what))(stanza)


def test_a_room_that_replaces_ids(announce):
    room = Room(message=lambda stanza: Room.reflect(stanza, "another"))
    done, _ = announce(room, ROOM)
    assert (done.code, done.lines) == (0, [f"{ROOM}  posted in the room"]), done


def test_a_room_that_gives_another_nickname(announce):
    room = Room(
        enter=lambda stanza: f"<presence from='{ROOM}/guest 1'>" + SELF.replace(
            "<status code='110'/>", "<status code='110'/><status code='210'/>") + "</presence>",
        message=lambda stanza: Room.reflect(stanza, "another", nick="/guest 1"))
    done, talk = announce(room, ROOM)
    assert done.code == 0, done
    left = talk.of("presence")[-1]
    assert (left.get("to"), left.get("type")) == (f"{ROOM}/guest 1", "unavailable")


def test_what_was_said_long_ago_is_not_what_is_said_now(announce):
    """History that was not asked for has the same text; then the post is refused."""
    delay = "<delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>"
    room = Room(message=lambda stanza: (
        Room.reflect(stanza, "old", delay), Room.reflect(stanza, "theirs", nick="/somebody else"),
        error(stanza, "policy-violation")))
    done, _ = announce(room, ROOM)
    assert (done.code, done.lines) == (4, [f"{ROOM}  refused: against the rules of the room"]), done


def test_a_room_that_puts_us_out(announce):
    room = Room(message=lambda stanza: f"<presence type='unavailable' from='{ROOM}{NICK}'>"
                + USER_X.format("<item role='none'/><status code='110'/><status code='307'/>")
                + "</presence>")
    done, talk = announce(room, ROOM)
    assert (done.code, done.lines) == (4, [f"{ROOM}  refused: the room has put us out"]), done
    assert len(talk.of("presence")) == 1


def test_a_room_in_which_all_nicknames_are_taken(announce):
    done, talk = announce(Room(enter=lambda stanza: error(stanza, "conflict")), ROOM)
    assert done.code == 4, done
    assert done.lines[0].startswith(f"{ROOM}  refused: all nicknames"), done
    assert [presence.get("to") for presence in talk.of("presence")] == \
        [ROOM + NICK, *(f"{ROOM}{NICK}-{number}" for number in range(2, 10))]


def test_a_connection_lost_at_the_door_is_renewed_once(announce):
    attempts = []

    def enter(stanza):
        attempts.append(stanza)
        if len(attempts) == 1:
            raise OSError("the connection breaks")
        return Room().enter(stanza)

    done, talk = announce(Room(enter=enter), BOB, ROOM)
    assert (done.code, done.lines) == (0, [f"{BOB}  handed to the server",
                                           f"{ROOM}  posted in the room"]), done
    assert len(talk.of("message")) == 2


def test_a_connection_lost_again_and_again(announce):
    def enter(_):
        raise OSError("the connection breaks")

    other = f"other-{ROOM}"
    done, talk = announce(Room(enter=enter), BOB, ROOM, other)
    assert done.code == 8, done
    assert done.lines[0] == f"{BOB}  handed to the server"
    for line, jid in zip(done.lines[1:], (ROOM, other)):
        assert line.startswith(f"{jid}  failed: nothing was sent: "), done
    assert len(talk.of("message")) == 1


def test_a_connection_lost_after_posting(announce):
    def message(_):
        raise OSError("the connection breaks")

    done, talk = announce(Room(message=message), ROOM)
    assert done.code == 6, done
    assert done.lines[0].startswith(f"{ROOM}  failed: it is not known whether it was posted: "), \
        done
    assert len(talk.of("message")) == 1


def test_who_never_answers_is_waited_for_half_a_minute(announce):
    began = time.monotonic()
    done, _ = announce(lambda stanza: None if stanza.get("to") == "far.example" and is_ping(stanza)
                       else obliging(stanza), BOB, FAR)
    assert 29 < time.monotonic() - began < 45
    assert (done.code, done.lines) == (0, [f"{BOB}  handed to the server",
                                           f"{FAR}  sent: far.example has not answered yet"]), done
