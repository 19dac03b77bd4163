"""Fixtures of the tests of files that go through a relay: Jabber servers that have one, and both
sides. Test files name this module in `pytest_plugins`."""

import pytest

from jabber_pair import Pairs
from receiver import Receiver
from relay_peer import HandSender
from relay_sides import Sender
from relay_site import KINDS


@pytest.fixture(scope="module")
def sites(work_dir, authority):
    made = Pairs(work_dir / "relays", authority, KINDS)
    (work_dir / "relays").mkdir(exist_ok=True)
    yield made
    made.close()


@pytest.fixture
def prosody_site(sites):
    """Where it does not matter which server it is."""
    return sites.get("prosody")


@pytest.fixture(params=["prosody", "ejabberd"])
def each_site(request, sites):
    """One server with a relay after the other."""
    return sites.get(request.param)


@pytest.fixture
def new_sender(env, tmp_path):
    return lambda site: Sender(env, tmp_path, site)


@pytest.fixture
def sender(new_sender, prosody_site):
    return new_sender(prosody_site)


@pytest.fixture
def new_receiver(env, tmp_path):
    return lambda site: Receiver(env, tmp_path / "bob", site.xmpp, site.new_user())


@pytest.fixture
def bob(new_receiver, prosody_site):
    return new_receiver(prosody_site)


@pytest.fixture
def hand(prosody_site):
    """Sends to Bob what a test writes."""
    with HandSender(prosody_site.xmpp, prosody_site.new_user(), "desk") as made:
        yield made
