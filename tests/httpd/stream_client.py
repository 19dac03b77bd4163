"""A chat client that uses a proxy for bytestreams (XEP-0065): by itself, or step by step."""

import asyncio
import itertools
import re
import secrets
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from slixmpp.exceptions import IqError

from socks5 import join, stream_hash
from xmpp_client import ChatClient

SECONDS_TO_WAIT = 40
NS = "http://jabber.org/protocol/bytestreams"
STANZAS_NS = "urn:ietf:params:xml:ns:xmpp-stanzas"
DISCO_INFO, DISCO_ITEMS = (f"http://jabber.org/protocol/disco#{what}" for what in ("info", "items"))


class Refusal(Exception):
    """An iq of type error; `args` are the type of the error and its condition."""


def condition_of(answer):
    """(type, condition) of an iq's error."""
    error, = (child for child in answer if child.tag.endswith("}error"))
    condition, = (child.tag.partition("}")[2] for child in error
                  if child.tag.startswith(f"{{{STANZAS_NS}}}") and not child.tag.endswith("}text"))
    return error.get("type"), condition


class Received:
    """What slixmpp gets over one bytestream."""

    def __init__(self, connection):
        self.content = bytearray()
        self.has_ended = False
        self._connection = connection
        connection.event = self._notice

    def _notice(self, name, data):
        if name == "socks5_data":
            self.content += data
        elif name == "socks5_closed":
            self.has_ended = True

    async def send(self, content):
        await self._connection.write(content)

    def close(self):
        self._connection.transport.close()


class StreamClient(ChatClient):
    """Asks services, and opens bytestreams as slixmpp does it."""

    def __init__(self, server, user, resource="phone"):
        super().__init__(server, user, resource)
        self.full_jid = f"{user.jid}/{resource}"
        self.streams = []
        self._ids = itertools.count()
        for plugin in ("xep_0030", "xep_0065"):
            self.register_plugin(plugin)
        self["xep_0065"].auto_accept = True
        self.add_event_handler("socks5_stream", lambda made: self.streams.append(Received(made)))

    def do(self, coroutine, seconds=SECONDS_TO_WAIT):
        """Waits for what the client does in its thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._own_loop).result(seconds)

    # Questions

    def ask(self, to, kind, content=""):
        """Sends an iq and returns the answer's first element, None if it has none; raises Refusal
        if it is an error."""
        try:
            answer = self.do(self._ask(to, kind, content))
        except IqError as error:
            raise Refusal(*condition_of(error.iq.xml)) from None
        return next(iter(answer.xml), None)

    async def _ask(self, to, kind, content):
        iq = self.make_iq(id=f"q{next(self._ids)}", ito=to)
        iq["type"] = kind
        if content:
            iq.append(ElementTree.fromstring(content))
        return await iq.send(timeout=SECONDS_TO_WAIT)

    def refusal(self, *question):
        """(type, condition) of the error that answers a question."""
        try:
            self.ask(*question)
        except Refusal as refusal:
            return refusal.args
        raise AssertionError("no error")

    def addresses(self, proxy):
        """[(JID, host, port)] that a proxy says it has."""
        query = self.ask(proxy, "get", f"<query xmlns='{NS}'/>")
        assert query.tag == f"{{{NS}}}query"
        return [(host.get("jid"), host.get("host"), int(host.get("port"))) for host in query]

    def activation(self, proxy, sid, target):
        """A question to activate a stream, for `ask` and `refusal`."""
        return proxy, "set", f"<query xmlns='{NS}' sid={quoteattr(sid)}>" \
            f"<activate>{escape(target)}</activate></query>"

    def activate(self, proxy, sid, target):
        assert self.ask(*self.activation(proxy, sid, target)) is None

    # Streams

    def offer(self, address, target, sid=None, **options):
        """Both ends of a stream that waits for its activation, and its sid: (sid, requester's end,
        target's end). The far end is the test's as well."""
        sid = sid or secrets.token_hex(8)
        name = stream_hash(sid, self.full_jid, target)
        far = join(address, name, **options)
        return sid, join(address, name, **options), far

    def open(self, proxy, address, target, **options):
        """Both ends of a stream that is active: the requester's and the target's."""
        sid, near, far = self.offer(address, target, **options)
        self.activate(proxy, sid, target)
        return near, far

    def send_by_slixmpp(self, target, sid=None):
        """Finds the proxy, offers a stream to another client, connects, activates."""
        made = self.do(self["xep_0065"].handshake(target, sid=sid, timeout=SECONDS_TO_WAIT))
        assert made is not None, "slixmpp gets no stream"
        return Received(made)


def namespaced(element):
    """The attributes of all children by their names without namespaces."""
    return [(re.sub(r"\{.*\}", "", child.tag), dict(child.attrib)) for child in element]
