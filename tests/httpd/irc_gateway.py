"""A small gateway between IRC and Jabber, as far as files go: it is in IRC in place of one Jabber
user, and hands what is offered there by DCC SEND to `socketstreamer get`.

Real ones do much more; what they would do with a file is here."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import re
import threading
from xml.sax.saxutils import escape

import slixmpp

SECONDS_TO_START = 20
OFFER = re.compile(r'\x01DCC SEND (?:"([^"]+)"|(\S+)) (\d+) (\d+) (\d+)\x01')
CONDITIONS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
OOB_SECONDS = 300


@dataclasses.dataclass
class Delivery:
    """One file, and the port where it is. `code` and `report` are those of socketstreamer; `answer`
    is what the Jabber client said, if it was asked by an iq: "result" or its error's condition."""

    sender: str
    name: str
    port: int
    size: int
    url: str = None
    code: int = None
    report: str = None
    answer: str = None


def parse_offer(text):
    """(name, host, port, size) of a DCC SEND, None if it is none."""
    match = OFFER.fullmatch(text)
    if not match:
        return None
    name = re.split(r"[/\\]", match.group(1) or match.group(2))[-1]
    host = str(ipaddress.IPv4Address(int(match.group(3))))
    return name, host, int(match.group(4)), int(match.group(5))


def condition_of(iq):
    """The condition of an error; slixmpp looks for it in the namespace of clients only."""
    return next(element.tag.removeprefix(CONDITIONS) for element in iq.xml.iter()
                if element.tag.startswith(CONDITIONS))


class IrcGateway(slixmpp.ComponentXMPP):
    """Serves the user with the nick and the full JID, in a thread of its own; a context manager.

    `by_iq` says how files are announced: by jabber:iq:oob, or by a message. `route` may change host
    and port of an offer on the way to socketstreamer."""

    def __init__(self, env, jid, secret, xmpp_port, irc_port, nick, by_iq=True, route=None):
        self._own_loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._own_loop)
        try:
            super().__init__(jid, secret, "127.0.0.1", xmpp_port)
        finally:
            asyncio.set_event_loop(None)
        self.user_jid = None
        self.deliveries = []
        self._env = env
        self._irc_port = irc_port
        self._nick = nick
        self._by_iq = by_iq
        self._route = route or (lambda host, port: (host, port))
        self._irc_writer = None
        self._tasks = set()
        self._is_in = {"jabber": threading.Event(), "irc": threading.Event()}
        self.add_event_handler("session_start", lambda _: self._is_in["jabber"].set())
        self._thread = threading.Thread(target=self._run, daemon=True)

    # Life

    def __enter__(self):
        self._thread.start()
        for network, is_in in self._is_in.items():
            assert is_in.wait(SECONDS_TO_START), f"the gateway does not get into {network}"
        return self

    def __exit__(self, *_):
        self._own_loop.call_soon_threadsafe(self.disconnect)
        self._thread.join(SECONDS_TO_START)
        self._own_loop.close()

    def _run(self):
        asyncio.set_event_loop(self._own_loop)
        self.connect()
        self._start(self._converse())
        self._own_loop.run_until_complete(self.disconnected)
        leftover = asyncio.all_tasks(self._own_loop)
        for task in leftover:
            task.cancel()
        self._own_loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True))

    def _start(self, work):
        """Runs a coroutine, which the loop alone would forget."""
        task = self._own_loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # IRC

    async def _converse(self):
        reader, self._irc_writer = await asyncio.open_connection("127.0.0.1", self._irc_port)
        with contextlib.closing(self._irc_writer):
            self._say(f"NICK {self._nick}")
            self._say(f"USER {self._nick} 0 * :somebody")
            while line := await reader.readline():
                self._hear(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _say(self, line):
        self._irc_writer.write(f"{line}\r\n".encode())

    def _hear(self, line):
        prefix, _, rest = line[1:].partition(" ") if line.startswith(":") else ("", "", line)
        command, _, rest = rest.partition(" ")
        if command == "PING":
            self._say(f"PONG {rest}")
        elif command == "001":
            self._is_in["irc"].set()
        elif command == "PRIVMSG":
            offer = parse_offer(rest.partition(" :")[2])
            if offer:
                self._start(self._deliver(prefix.partition("!")[0], *offer))

    # Files

    async def _deliver(self, sender, name, host, port, size):
        delivery = Delivery(sender, name, port, size)
        self.deliveries.append(delivery)
        host, port = self._route(host, port)
        process = await asyncio.create_subprocess_exec(
            self._env.streamer, "get", "--dcc", "--from", f"{host}:{port}", "--name", name,
            "--size", str(size), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        try:
            delivery.url = (await process.stdout.readline()).decode().rstrip("\n")
            announcement = self._start(self._announce(delivery, process))
            _, stderr = await process.communicate()
            delivery.report = stderr.decode()
            await announcement
            delivery.code = process.returncode
        finally:
            if process.returncode is None:
                process.kill()

    async def _announce(self, delivery, process):
        if self._by_iq:
            await self._ask_to_fetch(delivery, process)
        else:
            self.send_raw(f"<message from='{self._address_of(delivery)}' to='{self.user_jid}'"
                          f" type='chat'><body>{escape(delivery.url)}</body>"
                          f"<x xmlns='jabber:x:oob'><url>{escape(delivery.url)}</url></x></message>")

    async def _ask_to_fetch(self, delivery, process):
        iq = self.make_iq_set(ito=self.user_jid, ifrom=self._address_of(delivery))
        iq.append(slixmpp.xmlstream.ET.fromstring(
            f"<query xmlns='jabber:iq:oob'><url>{escape(delivery.url)}</url></query>"))
        try:
            await iq.send(timeout=OOB_SECONDS)
            delivery.answer = "result"
        except slixmpp.exceptions.IqError as error:
            delivery.answer = condition_of(error.iq)
            # Nobody wants it, or nobody could have it: then nobody needs to wait for a GET.
            if process.returncode is None:
                process.terminate()

    def _address_of(self, delivery):
        return f"{delivery.sender}@{self.boundjid.bare}"
