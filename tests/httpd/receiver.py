"""A user who runs `jabberfiles receive`, and the directory their files go to."""

from jabberfiles import Tool


def bare(client):
    """The bare JID of a chat client."""
    return client.boundjid.bare


class Receiver:
    def __init__(self, env, home, xmpp, user):
        self.user = user
        self.tool = Tool(env, home, JABBERFILES_JID=user.jid, JABBERFILES_PASSWORD=user.password)
        self.files = home / "files"
        self.files.mkdir()
        self._options = ("--connect", f"127.0.0.1:{xmpp.ports['c2s']}",
                         "--ca", xmpp.certificates.ca, "--directory", self.files)

    def arguments(self, *more, is_private=True):
        """The command line; all our servers have private addresses."""
        return ("receive", *self._options, *(["--allow-private"] if is_private else []), *more)

    def start(self, *more, is_private=True):
        """Starts the tool with --json; returns it with its full JID when it is online."""
        running = self.tool.start("--json", *self.arguments(*more, is_private=is_private))
        try:
            return running, running.wait_for_object(type="online")["jid"]
        except AssertionError:
            running.process.kill()
            raise

    def saved(self):
        """The files that are there now, by name."""
        return {path.name: path.read_bytes() for path in self.files.iterdir()}
