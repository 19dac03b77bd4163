"""Somebody who sends with jabberfiles send --direct, and what is seen of it."""

import http.client
import os
from urllib.parse import urlsplit

from announcing import bodies, wait_for_bodies
from direct_peer import DirectPeer, befriend
from jabberfiles import Tool

DONE = 0
CONTENT = os.urandom(300_000)
SECONDS_MAX = 30


class DirectSender:
    """Alice, who sends, and a friend of hers."""

    def __init__(self, env, directory, pair):
        self.pair = pair
        self.alice, self.bob = pair.new_users(2)
        self.tool = Tool(env, directory / "alice", **pair.variables(self.alice))
        self.tool.configure(connect=f"127.0.0.1:{pair.xmpp.ports['c2s']}", ca=pair.ca)
        self.write("notes.bin", CONTENT)
        self._to = f"{self.bob.jid}/desk"

    def write(self, name, content):
        (self.tool.home / name).write_bytes(content)
        return name

    def peer(self, fetch=None):
        """A client of the friend's, not online yet."""
        return DirectPeer(self.pair.xmpp, self.bob, fetch)

    def befriend(self, peer):
        """From now on the client is seen, and need not be named."""
        befriend(self.pair.xmpp, self.alice, peer)
        self._to = self.bob.jid

    def arguments(self, *more, file="notes.bin", to=None, is_yes=True):
        return ("send", "--direct", *(["--yes"] if is_yes else []), *more, file, to or self._to)

    def start(self, *more, **options):
        return self.tool.start("--json", *self.arguments(*more, **options))

    def send(self, *more, code=DONE, **options):
        """Sends to the end; returns what is told."""
        return self.tool.json(*self.arguments(*more, **options), code=code)


def ask(url, method="GET", source="127.0.0.1", path=None, **fields):
    """Status, header fields and content of an answer; "_" in names of fields stands for "-"."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_MAX,
                                            source_address=(source, 0))
    try:
        connection.request(method, path or parts.path,
                           headers={name.replace("_", "-"): text for name, text in fields.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def states(objects):
    """What became of the direct way."""
    return [(each["state"], each["way"]) for each in objects if each["type"] == "direct"]


def full_jid(terminal):
    """The JID that `receive --json` tells on a terminal."""
    terminal.expect('"online"').expect("}")
    return terminal.screen.split('"jid"')[1].split('"')[1]


def begun(running):
    return running.wait_for_object(type="direct", state="begun")


def arrives_by_upload(sender, peer, objects):
    """The friend is told a link of the upload service, and it leads to the file."""
    wait_for_bodies(peer)
    (link,) = bodies(peer)
    assert sender.pair.download(link) == CONTENT
    assert [each["link"] for each in objects if each["type"] == "file"] == [link]
    assert objects[-1]["type"] == "recipient"
