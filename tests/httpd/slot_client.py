"""A chat client that sends files: asks its server for slots (XEP-0363), uploads, sends links."""

import asyncio
import dataclasses
import io
import queue
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0363.http_upload import HTTPError

from client import Client
from xmpp_client import ChatClient

SECONDS_TO_WAIT = 20


class SlotRefused(Exception):
    """The Jabber server gives no slot; the text is the condition of its error."""


@dataclasses.dataclass(frozen=True)
class Slot:
    """What the Jabber server hands out: two URLs, and header fields that the upload must have."""

    put_url: str
    get_url: str
    headers: dict

    @property
    def target(self):
        """Path and query of the PUT."""
        parts = urlsplit(self.put_url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def tokens(self):
        """What must not become known."""
        parameters = parse_qsl(urlsplit(self.put_url).query)
        return [value for _, value in parameters] \
            + [value.rpartition(" ")[2] for value in self.headers.values()]

    def put(self, server, content, media_type="application/octet-stream"):
        """Uploads with these fields and a type, and with nothing else that http.client adds."""
        fields = {**self.headers, **({"Content-Type": media_type} if media_type else {})}
        return Client(server).request("PUT", self.target, content, fields)


class SlotClient(ChatClient):
    """Uploads go by aiohttp, as slixmpp does them."""

    def __init__(self, server, user, resource="phone"):
        super().__init__(server, user, resource)
        for plugin in ("xep_0066", "xep_0363"):
            self.register_plugin(plugin)
        self._messages = queue.SimpleQueue()
        self.add_event_handler("message", self._messages.put)

    def announced_limit_bytes(self, service):
        """The size limit that the upload service tells its clients."""
        info = self._await(self["xep_0030"].get_info(jid=service))
        limit = re.search(r"urn:xmpp:http:upload:0</value></field>"
                          r"<field[^>]*max-file-size[^>]*><value>(\d+)</value>", str(info))
        return int(limit.group(1))

    def ask(self, service, name, size_bytes, media_type="application/octet-stream"):
        """Returns a slot."""
        answer = self._await(self._ask(service, name, size_bytes, media_type))["http_upload_slot"]
        headers = {header["name"]: header["value"] for header in answer["put"]["headers"]}
        return Slot(answer["put"]["url"], answer["get"]["url"], headers)

    async def _ask(self, service, *args):
        return await self["xep_0363"].request_slot(service, *args, timeout=SECONDS_TO_WAIT)

    def upload(self, service, name, content, media_type="application/octet-stream"):
        """Asks for a slot and uses it, all as slixmpp does it; returns the link."""
        # Finding the service is the one part of the plugin that Python 3.11 broke.
        self["xep_0363"].upload_service = service
        return self._await(self["xep_0363"].upload_file(
            Path(name), len(content), media_type, input_file=io.BytesIO(content),
            timeout=SECONDS_TO_WAIT))

    def upload_status(self, *args):
        """The HTTP status of an upload that is refused."""
        try:
            link = self.upload(*args)
        except HTTPError as refusal:
            return refusal.args[0]
        raise AssertionError(f"uploaded, {link}")

    def send_link(self, user, link):
        """Sends a link as chat clients do."""
        message = self.make_message(mto=user.jid, mbody=link, mtype="chat")
        message["oob"]["url"] = link
        self._own_loop.call_soon_threadsafe(message.send)
        # An answer to what came later says that the server has the message, too.
        self._await(self["xep_0030"].get_info(jid=user.host))

    def next_link(self):
        """Waits for a message with a link; returns the link."""
        message = self._messages.get(timeout=SECONDS_TO_WAIT)
        assert message["body"] == message["oob"]["url"]
        return message["body"]

    def _await(self, coroutine):
        task = asyncio.run_coroutine_threadsafe(coroutine, self._own_loop)
        try:
            return task.result(SECONDS_TO_WAIT)
        except IqError as refusal:
            raise SlotRefused(refusal.condition) from None
