"""A chat client of a user, to see what it notices."""

import asyncio
import ssl
import threading

import slixmpp

SECONDS_TO_LOG_IN = 20


class ChatClient(slixmpp.ClientXMPP):
    """Goes online in a thread of its own and keeps every stanza that arrives afterwards."""

    def __init__(self, server, user, resource="phone"):
        self._own_loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._own_loop)
        try:
            super().__init__(f"{user.jid}/{resource}", user.password)
        finally:
            asyncio.set_event_loop(None)
        self.arrived = []
        self._is_online = threading.Event()
        self.ca_certs = str(server.certificates.ca)
        self.ssl_context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.add_event_handler("session_start", self._begin)
        self._address = ("127.0.0.1", server.ports["c2s"])
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _begin(self, _):
        self.send_presence()
        self.add_filter("in", self._keep)
        self._is_online.set()

    def _keep(self, stanza):
        self.arrived.append(str(stanza))
        return stanza

    def _run(self):
        asyncio.set_event_loop(self._own_loop)
        self.connect(self._address)
        self._own_loop.run_until_complete(self.disconnected)
        leftover = asyncio.all_tasks(self._own_loop)
        for task in leftover:
            task.cancel()
        self._own_loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True))

    def __enter__(self):
        self._thread.start()
        assert self._is_online.wait(SECONDS_TO_LOG_IN), "the chat client does not get online"
        return self

    def __exit__(self, *_):
        self._own_loop.call_soon_threadsafe(self.disconnect)
        self._thread.join(SECONDS_TO_LOG_IN)
        self._own_loop.close()

    def say(self, text):
        """Sends a stanza, whatever thread this is."""
        self._own_loop.call_soon_threadsafe(self.send_raw, text)

    def is_online(self):
        return self._thread.is_alive() and self.is_connected()
