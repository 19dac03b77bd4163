"""Guessing of passwords is limited: for a JID, for an address, in all processes together."""

import dataclasses
import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from answer import assert_problem, assert_safe_headers
from client import JSON, Client, area_path
from config import Site
from jabber_site import TROUBLE, jabber_site, login
from records import wait_until
from users import PASSWORD

PER_JID, PER_ADDRESS = 5, 12
PERIOD_SECONDS = 3600
LIMIT = f"jid={PER_JID} address={PER_ADDRESS} per={PERIOD_SECONDS}"
CROWD = 50

_addresses = itertools.count(1)


def new_address():
    """A loopback address that nobody has come from."""
    number = next(_addresses)
    return f"127.{200 + number // 65536}.{number // 256 % 256}.{number % 256}"


class People:
    """Where users come from, and clients of them."""

    def __init__(self, server, new_login):
        self.server = server
        self._new_login = new_login

    def new(self, source=None):
        """A client of a user nobody has heard of, from an address of its own."""
        jid, password = self._new_login()
        return Client(self.server, jid, password, source=source or new_address())

    def from_(self, client, source, password=None):
        """The same user from another address, perhaps with another password."""
        return Client(self.server, client.jid, password or client.password, source=source)


@pytest.fixture(scope="module", params=["file", "jabber", "cached"])
def provider(request):
    return request.param


@pytest.fixture(scope="module")
def site(request, provider):
    if provider == "file":
        return Site(base_lines=f"JabberFilesLoginLimit {LIMIT}")
    prosody, program = (request.getfixturevalue(name) for name in ("prosody", "program"))
    return jabber_site(program, prosody.domain_line(), limit=LIMIT,
                       cache_seconds=300 if provider == "cached" else None)


@pytest.fixture
def people_of(request, provider, users):
    """The people of one server."""
    def make(server):
        if provider == "file":
            return People(server, lambda: (users.client(server).jid, PASSWORD))
        prosody = request.getfixturevalue("prosody")

        def new_login():
            user = prosody.new_user()
            return user.jid, user.password

        return People(server, new_login)

    return make


@pytest.fixture
def people(people_of, server):
    return people_of(server)


def try_login(client):
    """Logs in over a new connection, so that any process may get it; returns the answer."""
    try:
        return client.request("GET", area_path(client.jid), headers=JSON)
    finally:
        client.close()


def guess(client, count, first=0):
    """Tries wrong passwords one after the other; returns the statuses."""
    right, statuses = client.password, []
    for number in range(first, first + count):
        client.password = f"guess {number}"
        statuses.append(try_login(client).status)
    client.password = right
    return statuses


def guess_at_once(clients):
    """All log in at the same time; counts the statuses."""
    gate = threading.Barrier(len(clients))

    def attempt(client):
        gate.wait()
        return try_login(client).status

    with ThreadPoolExecutor(len(clients)) as pool:
        return Counter(pool.map(attempt, clients))


def assert_blocked(answer):
    assert_problem(answer, 429)
    assert 0 < int(answer.header("Retry-After")) <= PERIOD_SECONDS
    assert answer.header("WWW-Authenticate") is None
    assert_safe_headers(answer)


# The JID


def test_wrong_passwords_for_a_name_are_counted(people):
    victim = people.new()
    assert try_login(victim).status == 200
    assert guess(victim, PER_JID + 3) == [401] * PER_JID + [429] * 3


def test_even_the_right_password_is_blocked_where_the_guesses_came_from(people):
    victim = people.new()
    guess(victim, PER_JID)
    assert_blocked(try_login(victim))


def test_right_password_from_elsewhere_works_during_the_block(people):
    victim = people.new()
    guess(victim, PER_JID + 1)
    for _ in range(3):
        elsewhere = people.from_(victim, new_address())
        for _ in range(3):
            assert try_login(elsewhere).status == 200
    assert try_login(victim).status == 429


def test_block_of_a_name_leaves_others_at_the_address_alone(people):
    victim = people.new()
    guess(victim, PER_JID + 1)
    neighbour = people.new(victim.source)
    assert try_login(neighbour).status == 200


def test_guessing_from_many_addresses_gets_one_try_each_when_the_name_is_blocked(people):
    victim = people.new()
    guess(victim, PER_JID)
    for number in range(3):
        attacker = people.from_(victim, new_address())
        assert guess(attacker, 3, first=100 * number) == [401, 429, 429]


def test_spellings_of_a_name_are_one_name(people):
    victim = people.new()
    statuses = []
    for spelling in (victim.jid, victim.jid.upper(), victim.jid.title(), victim.jid + "."):
        twin = Client(people.server, spelling, victim.password, source=victim.source)
        statuses += guess(twin, 2, first=len(statuses))
    assert statuses == [401] * PER_JID + [429] * (8 - PER_JID)


def test_unknown_users_are_counted_like_known_ones(people):
    nobody = Client(people.server, "nobody.at.all@example.org", "x", source=new_address())
    assert guess(nobody, PER_JID + 2) == [401] * PER_JID + [429] * 2


# The address


def test_wrong_passwords_from_an_address_are_counted(people):
    source = new_address()
    statuses = [guess(people.new(source), 1)[0] for _ in range(PER_ADDRESS + 3)]
    assert statuses == [401] * PER_ADDRESS + [429] * 3
    neighbour = people.new(source)
    assert_blocked(try_login(neighbour))
    assert try_login(people.from_(neighbour, new_address())).status == 200


@pytest.mark.parametrize("name", ["mallory@evil.example", "not a jid", "", "a@b@c"])
def test_names_that_cannot_be_ours_are_counted_too(people, name):
    stranger = Client(people.server, name, "x", source=new_address())
    statuses = [stranger.request("GET", area_path("a@example.org")).status
                for _ in range(PER_ADDRESS + 1)]
    assert set(statuses[:PER_JID]) == {401}
    assert statuses[-1] == 429


# Who does not guess


def test_right_passwords_are_not_counted(people):
    client = people.new()
    for _ in range(PER_ADDRESS + 5):
        assert try_login(client).status == 200
    assert guess(client, PER_JID + 1) == [401] * PER_JID + [429]


def test_requests_without_login_are_not_counted(people):
    owner = people.new()
    nobody = Client(people.server, source=owner.source)
    for _ in range(PER_ADDRESS + 5):
        assert nobody.request("GET", area_path(owner.jid)).status == 401
    assert try_login(owner).status == 200


def test_blocked_address_may_still_use_links(people):
    owner = people.new()
    link = owner.put("a", b"x").link
    guess(owner, PER_JID + 1)
    visitor = Client(people.server, source=owner.source)
    assert visitor.request("GET", link).body == b"x"


def test_many_right_logins_of_one_user_at_once(people):
    user = people.new()
    crowd = [people.from_(user, user.source) for _ in range(CROWD)]
    assert guess_at_once(crowd) == {200: CROWD}


def test_many_users_of_one_address_at_once(people):
    """An office behind one address in the morning."""
    source = new_address()
    crowd = [people.new(source) for _ in range(CROWD)]
    assert guess_at_once(crowd) == {200: CROWD}


# At the same time, in all processes


def test_guesses_at_once_get_no_more_than_the_limit(people):
    victim = people.new()
    crowd = [people.from_(victim, victim.source, f"wrong {number}") for number in range(CROWD)]
    assert guess_at_once(crowd) == {401: PER_JID, 429: CROWD - PER_JID}


def test_guesses_at_once_from_one_address_get_no_more_than_its_limit(people):
    source = new_address()
    crowd = [people.from_(people.new(), source, "wrong") for _ in range(CROWD)]
    assert guess_at_once(crowd) == {401: PER_ADDRESS, 429: CROWD - PER_ADDRESS}


def test_same_wrong_password_at_once_is_counted(people):
    victim = people.new()
    crowd = [people.from_(victim, victim.source, "wrong") for _ in range(20)]
    assert set(guess_at_once(crowd)) <= {401, 429}
    guess(victim, PER_JID)
    assert try_login(victim).status == 429


def test_status_page_counts_the_refusals(people, nobody):
    def refusals():
        lines = nobody.request("GET", "/server-status?auto").text.splitlines()
        counts = dict(line.split(": ", 1) for line in lines if line.startswith("JabberFiles"))
        return int(counts.get("JabberFilesRefusalsTooMany", 0))

    before = refusals()
    guess(people.new(), PER_JID + 4)
    assert refusals() == before + 4


# Time


def test_attempts_come_back_one_by_one(start_server, people_of, site):
    per_seconds = 4
    server = start_server(limited(site, f"jid=2 address=unlimited per={per_seconds}"))
    victim = people_of(server).new()
    assert guess(victim, 3) == [401, 401, 429]
    wait_seconds = int(try_login(victim).header("Retry-After"))
    assert wait_seconds <= per_seconds / 2 + 1
    time.sleep(wait_seconds)
    assert guess(victim, 2, first=10) == [401, 429]
    # Whoever does as told, gets in.
    time.sleep(int(try_login(victim).header("Retry-After")))
    assert try_login(victim).status == 200


def limited(site, limit):
    """The site with another limit."""
    return dataclasses.replace(site, base_lines=site.base_lines.replace(
        next(line for line in site.base_lines.splitlines() if "LoginLimit" in line),
        f"JabberFilesLoginLimit {limit}"))


def test_block_survives_a_graceful_restart(start_server, people_of, site):
    server = start_server(site)
    victim = people_of(server).new()
    guess(victim, PER_JID)
    server.graceful()
    assert guess(victim, 1, first=50) == [429]


@pytest.mark.parametrize("limit", ["Off", "jid=unlimited address=unlimited"])
def test_no_limit(start_server, people_of, site, limit):
    server = start_server(limited(site, limit))
    victim = people_of(server).new()
    assert guess(victim, 60) == [401] * 60
    assert try_login(victim).status == 200


def test_limits_may_differ_from_place_to_place(start_server, users):
    server = start_server(Site(
        server_lines="JabberFilesLoginLimit jid=3 address=unlimited",
        inner_lines="""
            <Location "/files/alice@example.org">
                JabberFilesLoginLimit jid=6
            </Location>"""))
    alice = Client(server, "alice@example.org", PASSWORD, source=new_address())
    other = Client(server, users.client(server).jid, PASSWORD, source=new_address())
    assert guess(alice, 7) == [401] * 6 + [429]
    assert guess(other, 4) == [401] * 3 + [429]


def test_default_limits(start_server, users):
    server = start_server()
    victim = Client(server, users.client(server).jid, PASSWORD, source=new_address())
    assert guess(victim, 12) == [401] * 10 + [429] * 2
    source = new_address()
    crowd = [Client(server, users.client(server).jid, "x", source=source) for _ in range(52)]
    assert [try_login(client).status for client in crowd] == [401] * 50 + [429] * 2


# Trouble is no guess


def test_trouble_is_not_counted(start_server, program, prosody, log):
    log.expect(TROUBLE)
    server = start_server(jabber_site(program, prosody.domain_line(), limit=LIMIT))
    client = login(server, prosody.new_user(), source=new_address())
    with prosody.stopped():
        for _ in range(PER_ADDRESS + 3):
            assert try_login(client).status == 503
    wait_until(lambda: try_login(client).status == 200, 5, "the right password is blocked")
    assert guess(client, PER_JID + 1) == [401] * PER_JID + [429]


def test_forged_address_of_the_client_is_not_believed(start_server, users):
    """Without mod_remoteip nobody's word about an address counts."""
    server = start_server(Site(base_lines=f"JabberFilesLoginLimit {LIMIT}"))
    source, statuses = new_address(), []
    for number in range(PER_ADDRESS + 1):
        client = Client(server, users.client(server).jid, "x", source=source)
        statuses.append(client.request("GET", area_path(client.jid), headers={
            "X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}",
            "X-Real-IP": f"192.0.2.{number}"}).status)
    assert statuses == [401] * PER_ADDRESS + [429]
