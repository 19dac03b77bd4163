"""Chat clients of today that send and take files by stream initiation (XEP-0095, XEP-0096) and
bytestreams (XEP-0065): slixmpp with its own plugins, or stanzas written by hand."""

import asyncio
import hashlib
import itertools
from xml.sax.saxutils import quoteattr

from slixmpp.xmlstream.handler import Callback, CoroutineCallback
from slixmpp.xmlstream.matcher import MatchXPath, StanzaPath

from records import wait_until
from xmpp_client import ChatClient

SECONDS_MAX = 60
INFO = "http://jabber.org/protocol/disco#info"
SI = "http://jabber.org/protocol/si"
FILE = "http://jabber.org/protocol/si/profile/file-transfer"
STREAMS = "http://jabber.org/protocol/bytestreams"


def form(kind, inner):
    return "<feature xmlns='http://jabber.org/protocol/feature-neg'>" \
        f"<x xmlns='jabber:x:data' type='{kind}'><field var='stream-method' type='list-single'>" \
        f"{inner}</field></x></feature>"


class RelayClient(ChatClient):
    """What both sides need."""

    def __init__(self, server, user, resource="desk"):
        super().__init__(server, user, resource)
        self.data = bytearray()
        self.is_closed = False
        asyncio.set_event_loop(self._own_loop)
        try:
            self.register_plugin("xep_0065", {"auto_accept": True})
            self.register_plugin("xep_0096")
            # As registered by slixmpp 1.8, offers are never looked at.
            self.remove_handler("SI Request")
            self.register_handler(CoroutineCallback(
                "SI Request", StanzaPath("iq@type=set/si"), self["xep_0095"]._handle_request))
        finally:
            asyncio.set_event_loop(None)

    def run(self, coroutine):
        """Its result, whatever thread this is."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._own_loop).result(SECONDS_MAX)

    def call(self, function, *args):
        self._own_loop.call_soon_threadsafe(function, *args)

    def arrived_with(self, *parts):
        """The stanzas with all these parts in them."""
        return [text for text in list(self.arrived) if all(part in text for part in parts)]

    def wait_for(self, *parts):
        return wait_until(lambda: self.arrived_with(*parts), SECONDS_MAX,
                          f"nothing with {parts}: {self.arrived}")[-1]


class StreamReceiver(RelayClient):
    """Takes offers; `decide` is "accept", "decline" or "ignore". With `closes` it ends a stream
    when it has as many bytes as were announced, else it waits for the end."""

    def __init__(self, server, user, decide="accept", closes=True):
        super().__init__(server, user)
        self.offers = []
        self._decide = decide
        self._closes = closes
        self._stream = None
        self.add_event_handler("si_request", self._take_offer)
        self.add_event_handler("socks5_stream", self._take_stream)
        self.add_event_handler("socks5_data", self._take_data)
        self.add_event_handler("socks5_closed", self._take_end)

    async def _take_offer(self, iq):
        self.offers.append(iq)
        own, peer, sid = iq["to"], iq["from"], iq["si"]["id"]
        if self._decide == "accept":
            # The future of a result that is sent never comes to an end.
            asyncio.ensure_future(self["xep_0095"].accept(peer, sid, ifrom=own))
        elif self._decide == "decline":
            asyncio.ensure_future(self["xep_0095"].decline(peer, sid, ifrom=own))

    def _take_stream(self, stream):
        self._stream = stream
        self._close_if_done()

    def _take_data(self, data):
        self.data += data
        self._close_if_done()

    def _close_if_done(self):
        if self._closes and self._stream and len(self.data) == self.size_bytes:
            self._stream.transport.close()

    def _take_end(self, _):
        self.is_closed = True

    @property
    def size_bytes(self):
        """As it was announced."""
        return int(self.offers[-1]["si"]["file"]["size"])

    def cut(self):
        """Ends the stream at once."""
        wait_until(lambda: self._stream, SECONDS_MAX, "no stream")
        self.call(self._stream.transport.abort)


class StreamSender(RelayClient):
    """Offers files as slixmpp does it."""

    async def _offer(self, jid, name, content, **claims):
        facts = {"size": len(content), "hash": hashlib.md5(content).hexdigest(), **claims}
        # As slixmpp 1.8 lists methods by itself, it cannot write them.
        await self["xep_0096"].request_file_transfer(
            jid, sid="s5b-1", name=name, mime_type="text/plain", timeout=SECONDS_MAX,
            methods=[{"value": STREAMS}], **facts)
        stream = await self["xep_0065"].handshake(jid, sid="s5b-1", timeout=SECONDS_MAX)
        await stream.write(content)
        stream.transport.close()

    def send_file(self, jid, name, content, **claims):
        """All of it; raises what the other side refuses it with."""
        self.run(self._offer(jid, name, content, **claims))


class HandReceiver(ChatClient):
    """Says yes to every offer by hand-written stanzas, and that it is connected to `used`."""

    def __init__(self, server, user, used):
        super().__init__(server, user, "desk")
        features = "".join(f"<feature var='{ns}'/>" for ns in (SI, FILE, STREAMS))
        yes = f"<si xmlns='{SI}'>" + form("submit", f"<value>{STREAMS}</value>") + "</si>"
        for name, ns, inner in (
                ("query", INFO, f"<query xmlns='{INFO}'>{features}</query>"),
                ("si", SI, yes),
                ("query", STREAMS,
                 f"<query xmlns='{STREAMS}'><streamhost-used jid='{used}'/></query>")):
            self.register_handler(Callback(
                ns, MatchXPath(f"{{jabber:client}}iq/{{{ns}}}{name}"), self._answer(inner)))

    def _answer(self, inner):
        return lambda iq: self.send_raw(
            f"<iq type='result' id='{iq['id']}' to='{iq['from']}'>{inner}</iq>")


class HandSender(ChatClient):
    """Its stanzas are written by hand."""

    _ids = itertools.count()

    def ask(self, jid, inner):
        """Sends an iq; returns its id."""
        ident = f"h{next(self._ids)}"
        self.say(f"<iq type='set' id='{ident}' to={quoteattr(str(jid))}>{inner}</iq>")
        return ident

    def wait_for_answer(self, ident):
        return wait_until(
            lambda: [text for text in list(self.arrived)
                     if text.startswith("<iq") and f'id="{ident}"' in text],
            SECONDS_MAX, f"{ident}: no answer in {self.arrived}")[0]

    @staticmethod
    def offer(size_bytes, sid="h1", name="notes.bin", more="", method=STREAMS, profile=FILE):
        return f"<si xmlns='{SI}' id='{sid}' profile='{profile}'>" \
            f"<file xmlns='{FILE}' name={quoteattr(name)} size='{size_bytes}' {more}/>" + \
            form("form", f"<option><value>{method}</value></option>") + "</si>"

    @staticmethod
    def hosts(*hosts, sid="h1", more=""):
        lines = "".join(f"<streamhost jid='{jid}' host='{host}' port='{port}'/>"
                        for jid, host, port in hosts)
        return f"<query xmlns='{STREAMS}' sid='{sid}' {more}>{lines}</query>"

    def send_through(self, jid, offer, *hosts):
        """Offers a file, and these hosts when it is accepted; returns the answer to the latter."""
        answer = self.wait_for_answer(self.ask(jid, offer))
        assert 'type="result"' in answer, answer
        return self.wait_for_answer(self.ask(jid, self.hosts(*hosts)))
