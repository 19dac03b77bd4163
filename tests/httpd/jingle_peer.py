"""A Jingle client in which every stanza is written by hand, to be on either side of a file that goes
from machine to machine, well-behaved or not."""

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from records import wait_until
from xmpp_client import ChatClient

SECONDS_TO_ANSWER = 30
DISCO_INFO = "http://jabber.org/protocol/disco#info"
JINGLE = "urn:xmpp:jingle:1"
FILE = "urn:xmpp:jingle:apps:file-transfer:5"
UPLOAD = "urn:xmpp:jingle:transports:http:upload:0"
HASHES = "urn:xmpp:hashes:2"
ERRORS = "urn:xmpp:jingle:errors:1"


def digest(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")


def describe(content, **claims):
    """<description/>; `claims` replaces what is true of the content, None leaves out."""
    facts = {"name": "notes.bin", "media-type": "application/octet-stream",
             "size": len(content), "sha256": digest(content), **claims}
    hashed = facts.pop("sha256")
    lines = [f"<{key}>{escape(str(value))}</{key}>"
             for key, value in facts.items() if value is not None]
    if hashed is not None:
        lines.append(f"<hash xmlns='{HASHES}' algo='sha-256'>{hashed}</hash>")
    return f"<description xmlns='{FILE}'><file>{''.join(lines)}</file></description>"


def wrap(description="", transport=f"<transport xmlns='{UPLOAD}'/>", senders="initiator"):
    """<content/>"""
    return f"<content creator='initiator' name='f' senders='{senders}'>{description}{transport}" \
        "</content>"


def candidate(url, headers=""):
    """<candidate/>; `headers` is XML."""
    return f"<candidate uri={quoteattr(url)}>{headers}</candidate>"


def place(url, headers=""):
    """<transport/> with one candidate."""
    return f"<transport xmlns='{UPLOAD}'>{candidate(url, headers)}</transport>"


COMPLETED = wrap(transport=f"<transport xmlns='{UPLOAD}'><completed/></transport>")
RECEIVED = f"<received xmlns='{FILE}' creator='initiator' name='file'/>"


def reason(name):
    return f"<reason><{name}/></reason>"


class JinglePeer(ChatClient):
    """Gives every action its empty result, unless `is_silent`, and keeps it."""

    _ids = itertools.count()

    def __init__(self, server, user, resource="desk", features=(JINGLE, FILE, UPLOAD)):
        super().__init__(server, user, resource)
        self.is_silent = False
        self.server_of_test = server
        self._features = features
        self._taken = []
        for name, taker in (("jingle", self._take), ("query", self._tell_features)):
            ns = JINGLE if name == "jingle" else DISCO_INFO
            self.register_handler(Callback(
                name, MatchXPath(f"{{jabber:client}}iq/{{{ns}}}{name}"), taker))

    def _take(self, iq):
        if iq["type"] == "set":
            self._taken.append((str(iq["from"]), iq.xml.find(f"{{{JINGLE}}}jingle")))
            if not self.is_silent:
                self.send_raw(f"<iq type='result' id={quoteattr(iq['id'])} "
                              f"to={quoteattr(str(iq['from']))}/>")

    def _tell_features(self, iq):
        if iq["type"] == "get":
            told = "".join(f"<feature var='{feature}'/>" for feature in self._features)
            self.send_raw(f"<iq type='result' id={quoteattr(iq['id'])} "
                          f"to={quoteattr(str(iq['from']))}>"
                          f"<query xmlns='{DISCO_INFO}'>{told}</query></iq>")

    def actions(self, name, sid=None):
        """The <jingle/> of this action, and of this session, that came so far."""
        return [jingle for _, jingle in list(self._taken)
                if jingle.get("action") == name and sid in (None, jingle.get("sid"))]

    def wait_for_action(self, name, sid=None):
        return wait_until(lambda: self.actions(name, sid), SECONDS_TO_ANSWER,
                          f"no {name}: {self.arrived}")[0]

    def wait_for_offer(self):
        """A session-initiate: the sender, the session ID, and <jingle/>."""
        jingle = self.wait_for_action("session-initiate")
        sender = next(sender for sender, each in self._taken if each is jingle)
        return sender, jingle.get("sid"), jingle

    def end_reason(self, sid=None):
        """Why the other side has ended the session."""
        (element,) = [child for child in self.wait_for_action("session-terminate", sid)
                      if child.tag == f"{{{JINGLE}}}reason"]
        return element[0].tag.rpartition("}")[2]

    def begin(self, to, action, sid, content=""):
        """Does an action without waiting for its answer; returns the number of the iq."""
        number = f"jingle-{next(self._ids)}"
        sid = "" if sid is None else f"sid={quoteattr(sid)}"
        self.say(f"<iq type='set' id='{number}' to={quoteattr(to)}>"
                 f"<jingle xmlns='{JINGLE}' action='{action}' {sid}>{content}</jingle></iq>")
        return number

    def ask(self, to, action, sid, content=""):
        """Does an action; returns its answer."""
        return self._wait_for_answer(self.begin(to, action, sid, content))

    def do(self, to, action, sid, content=""):
        """Does an action, which must be taken."""
        answer = self.ask(to, action, sid, content)
        assert answer.get("type") == "result", ElementTree.tostring(answer)

    def _wait_for_answer(self, number):
        def find():
            return [text for text in list(self.arrived)
                    if text.startswith("<iq") and re.search(f"id=[\"']{number}[\"']", text)]

        text = wait_until(find, SECONDS_TO_ANSWER, f"no answer to {number}: {self.arrived}")[0]
        return ElementTree.fromstring(f"<stream xmlns='jabber:client'>{text}</stream>")[0]

    def offer(self, to, content, sid="s1", **claims):
        """Offers a file."""
        self.do(to, "session-initiate", sid, wrap(describe(content, **claims)))

    def wait_for_place(self, sid=None):
        """The URL where the other side takes the file that was offered."""
        accept = self.wait_for_action("session-accept", sid)
        return accept.find(f".//{{{UPLOAD}}}candidate").get("uri")


def condition(answer):
    """The conditions of an error, without their namespaces."""
    assert answer.get("type") == "error", ElementTree.tostring(answer)
    error = next(child for child in answer if child.tag.endswith("}error"))
    return [child.tag.rpartition("}")[2] for child in error]
