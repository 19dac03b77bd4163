"""Fixtures of the tests of socketstreamer: Jabber servers that accept it, clients, the daemon.

Test files name this module in `pytest_plugins`."""

import contextlib
import shutil

import pytest

from stream_client import StreamClient
from streamer import COMPONENT, OWN_COMPONENT, start_component_server, streamer_starter
from xmpp_ejabberd import Ejabberd
from xmpp_prosody import Prosody


@pytest.fixture(scope="session")
def streamer_prosody(start_xmpp):
    return start_component_server(start_xmpp, Prosody)


@pytest.fixture(scope="session")
def streamer_ejabberd(start_xmpp):
    return start_component_server(start_xmpp, Ejabberd)


@pytest.fixture(scope="session")
def streamer_program(env, work_dir):
    """Where the account of services may come to."""
    return shutil.copy(env.streamer, work_dir)


@pytest.fixture
def start_streamer(env, streamer_program, work_dir, streamer_prosody):
    """Starts a daemon for one test, with some lines of configuration."""
    with streamer_starter(env, streamer_program, work_dir) as start:
        yield lambda *lines, **options: start(options.pop("xmpp", streamer_prosody),
                                              OWN_COMPONENT, *lines, **options)


@pytest.fixture(scope="module")
def streamer(env, streamer_program, work_dir, streamer_prosody):
    """The daemon of a test file, without limits of its own."""
    with streamer_starter(env, streamer_program, work_dir) as start:
        yield start(streamer_prosody, COMPONENT)


@pytest.fixture(scope="module")
def requester(streamer_prosody):
    """A client that asks for streams."""
    with StreamClient(streamer_prosody, streamer_prosody.new_user()) as client:
        yield client


@pytest.fixture
def new_client(streamer_prosody):
    """Makes clients of users that nobody has heard of."""
    with contextlib.ExitStack() as stack:
        yield lambda host="example.org", xmpp=streamer_prosody: stack.enter_context(
            StreamClient(xmpp, xmpp.new_user(host)))


@pytest.fixture
def ends():
    """Keeps the sockets of a test and closes them in the end."""
    with contextlib.ExitStack() as stack:
        def keep(*sockets):
            for made in sockets:
                stack.enter_context(made)
            return sockets if len(sockets) != 1 else sockets[0]

        yield keep
