"""Chat clients of today that take files from others' machines: slixmpp with its XEP-0066."""

import asyncio

from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import StanzaPath

from records import wait_until
from xmpp_client import ChatClient

SECONDS_TO_MEET = 30


class DirectPeer(ChatClient):
    """A client that is asked to fetch files. `fetch` is called with the link, as slixmpp calls it:
    what it raises becomes the answer, else there is a result when it returns. Without it requests
    are kept, and the test answers."""

    def __init__(self, server, user, fetch=None, resource="desk"):
        super().__init__(server, user, resource)
        self.urls = []
        self.stanzas = []
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0066")
        if fetch:
            self["xep_0066"].register_url_handler(handler=lambda iq: fetch(self._note_request(iq)))
        else:
            self.remove_handler("OOB Transfer")
            self.register_handler(Callback("requests", StanzaPath("iq@type=set/oob_transfer"),
                                           self._note_request))

    def _note_request(self, iq):
        self.stanzas.append(iq)
        self.urls.append(iq["oob_transfer"]["url"])
        return self.urls[-1]

    def forget_files(self):
        """From now on it says that it takes no files."""
        self._own_loop.call_soon_threadsafe(
            lambda: self["xep_0030"].del_feature(feature="jabber:iq:oob"))

    def wait_for_url(self):
        """The link of the file that it is asked to fetch last."""
        return wait_until(lambda: self.urls and self.urls[-1], SECONDS_TO_MEET, "never asked")

    def offer(self, to, url):
        """Asks another client to fetch a file; returns its answer, or raises it."""
        answer = asyncio.run_coroutine_threadsafe(self._send_oob(to, url), self._own_loop)
        return answer.result(SECONDS_TO_MEET)

    async def _send_oob(self, to, url):
        return await self["xep_0066"].send_oob(to, url, desc="from my machine")

    def leave(self):
        """Goes offline before the end."""
        self._own_loop.call_soon_threadsafe(self.disconnect)
        self._thread.join(SECONDS_TO_MEET)

    def accept(self):
        """Answers the last request: the file is here."""
        self.wait_for_url()
        self._own_loop.call_soon_threadsafe(self.stanzas[-1].reply().send)


def presence_of(client, other):
    """True if the client has seen the other one online."""
    return any(text.startswith("<presence") and f"from=\"{other.boundjid.full}\"" in text
               and "type=" not in text for text in list(client.arrived))


def befriend(server, user, client):
    """The user, from now on, sees the client online, and it sees the user's."""
    with ChatClient(server, user, "phone") as phone:
        phone.say(f"<presence type='subscribe' to='{client.boundjid.bare}'/>")
        wait_until(lambda: presence_of(phone, client) and presence_of(client, phone),
                   SECONDS_TO_MEET, f"no friends: {phone.arrived} {client.arrived}")
