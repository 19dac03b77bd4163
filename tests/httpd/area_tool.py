"""The user's tool with the account of a client: an area on a private httpd, or on a server that
follows a script; no Jabber server."""

import contextlib

from config import BASE
from http_script import HttpScript
from jabberfiles import Tool


def make_tool(server, client, home, **variables):
    """The tool as the user of `client`, with an own home directory."""
    tool = Tool(server.env, home, **{"JABBERFILES_PASSWORD": client.password, **variables})
    keys = {"ca": server.site.certificates.ca} if server.site.certificates else {}
    tool.configure(jid=client.jid, url=server.url(BASE), **keys)
    return tool


def make_file(tool, name, content):
    """A file in the tool's home directory."""
    path = tool.home / name
    path.write_bytes(content)
    return path


@contextlib.contextmanager
def scripted_areas(env, client, home):
    """Yields a function that starts a scripted server and returns it and a tool with an area
    there."""
    with contextlib.ExitStack() as scripts:
        def start(script, **options):
            made = scripts.enter_context(HttpScript(script, **options))
            tool = Tool(env, home, JABBERFILES_PASSWORD=client.password)
            tool.configure(jid=client.jid, url=made.url(BASE))
            return made, tool

        yield start
