"""Both sides of files that go through the relay of a Jabber server (XEP-0065): jabberfiles,
slixmpp with its XEP-0095, XEP-0096 and XEP-0065, and stanzas written by hand."""

import os

from jabberfiles import Tool
from relay_peer import HandReceiver, StreamReceiver

DONE, INTERRUPTED = 0, 130
CONTENT = os.urandom(300_000)
LARGE_BYTES = 256 << 20
SECONDS_MAX = 60
FILE = "notes.bin"


class Sender:
    """Alice, who sends to Bob."""

    def __init__(self, env, directory, site):
        self.site = site
        self.alice, self.bob = site.new_users(2)
        self.tool = Tool(env, directory / "alice", **site.variables(self.alice))
        self.tool.configure(connect=f"127.0.0.1:{site.xmpp.ports['c2s']}", ca=site.ca)
        (self.tool.home / FILE).write_bytes(CONTENT)

    def arguments(self, *more):
        """Nobody can be asked whether the address may be seen, so this way is the only one."""
        return ("send", "--direct", *more, FILE, f"{self.bob.jid}/desk")

    def send(self, *more, code=DONE):
        return self.tool.json(*self.arguments(*more), code=code)

    def start(self, *more):
        return self.tool.start("--json", *self.arguments(*more))

    def hand(self, used):
        """A recipient who says that he is connected there."""
        return HandReceiver(self.site.xmpp, self.bob, used)

    def peer(self, **options):
        return StreamReceiver(self.site.xmpp, self.bob, **options)


def states(objects):
    return [(each["state"], each["way"]) for each in objects if each["type"] == "direct"]


def told(done, kind):
    """The one object of this type."""
    (found,) = (each for each in done.objects if each["type"] == kind)
    return found
