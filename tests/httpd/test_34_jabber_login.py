"""Users log in with their Jabber password: the user's own Prosody or ejabberd decides."""

import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest

from answer import assert_problem, assert_safe_headers
from client import JSON, Client, area_path
from jabber_site import TROUBLE, jabber_site, login
from xmpp_server import (BAD_CERTIFICATE_HOSTS, GOOD_HOSTS, LOCKABLE_HOST, PLAIN_HOST,
                         PLAIN_MECHANISM_HOST, WILDCARD_HOST, User)

DIRECT_HOST = "second.example"
DOWN_SECONDS_MAX = 6
DEADLINE_SECONDS = 10


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def xmpp(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def site(xmpp, program):
    hosts = [host for host in (*GOOD_HOSTS, WILDCARD_HOST, PLAIN_HOST, *BAD_CERTIFICATE_HOSTS)
             if host != DIRECT_HOST]
    return jabber_site(program, *(xmpp.domain_line(host) for host in hosts),
                       xmpp.domain_line(DIRECT_HOST, "direct", tls="direct"))


@pytest.fixture
def user(xmpp):
    return xmpp.new_user()


def assert_unavailable(answer):
    """The user's server could not be asked: a status of its own, and when to come again."""
    assert_problem(answer, 503)
    assert 0 < int(answer.header("Retry-After")) <= 60
    assert answer.header("WWW-Authenticate") is None
    assert_safe_headers(answer)


def assert_login_asked_for(answer):
    assert answer.status == 401
    assert answer.header("WWW-Authenticate").startswith('Basic realm="Jabber ID"')
    assert answer.header("Retry-After") is None


# Right and wrong


def test_right_password(server, user):
    owner = login(server, user)
    answer = owner.put("hello.txt", b"hello")
    assert answer.status == 201
    assert owner.get("hello.txt").body == b"hello"
    assert owner.open_link(answer.link).body == b"hello"
    assert [file["path"] for file in owner.listing()["files"]] == ["hello.txt"]


def test_nobody_else_may_enter_the_area(server, xmpp):
    owner, other = (login(server, user) for user in xmpp.new_users(2))
    owner.put("a", b"x")
    assert other.request("GET", area_path(owner.jid, "a")).status == 403


def test_wrong_password_and_unknown_user_look_alike(server, user):
    removed = User("nobody.knows.me@example.org", "x")
    answers = [login(server, user, "wrong").put("a", b"x", JSON),
               login(server, user, "").put("a", b"x", JSON),
               login(server, user, user.password + " ").put("a", b"x", JSON),
               login(server, removed).put("a", b"x", JSON)]
    for answer in answers:
        assert_login_asked_for(answer)
        assert answer.body == answers[0].body


def test_removed_user_is_refused(server, xmpp, user):
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    xmpp.remove_user(user)
    assert_login_asked_for(client.get("a"))


def test_disabled_account_is_refused(server, xmpp):
    user = xmpp.new_user(LOCKABLE_HOST)
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    xmpp.disable_user(user)
    assert_login_asked_for(client.put("b", b"x"))


def test_changed_password_holds_at_once_without_a_cache(server, xmpp, user):
    old = login(server, user)
    assert old.put("a", b"x").status == 201
    changed = User(user.jid, "another password")
    xmpp.change_password(changed)
    assert_login_asked_for(old.get("a"))
    assert login(server, changed).get("a").body == b"x"


@pytest.mark.parametrize("localpart,password", [
    ("jürgen", "Straße и ключ"), ("ваня", "パスワード"), ("plain", "a:b:c"),
    ("under_score.dot-dash", "\"quoted\" \\ 'single' <&>"),
], ids=["umlaut", "Cyrillic", "colons", "signs"])
def test_unusual_names_and_passwords(server, xmpp, localpart, password):
    user = User(f"{localpart}@example.org", password)
    xmpp.add_user(user)
    try:
        owner = login(server, user)
        assert owner.put("ä", b"x").status == 201
        assert owner.get("ä").body == b"x"
        assert_login_asked_for(login(server, user, password[:-1]).get("ä"))
    finally:
        xmpp.remove_user(user)


def test_all_spellings_of_a_name_are_one_area(server, xmpp):
    user = User("chloé.alice@example.org", "secret")
    xmpp.add_user(user)
    try:
        assert login(server, user).put("a", b"x").status == 201
        for spelling in ("Chloé.Alice@Example.ORG", "CHLOÉ.ALICE@EXAMPLE.ORG",
                         unicodedata.normalize("NFD", user.jid), "chloé.alice@example.org."):
            client = Client(server, spelling, user.password)
            assert client.request("GET", area_path(user.jid, "a")).body == b"x"
            assert client.listing()["used_bytes"] == 1
    finally:
        xmpp.remove_user(user)


@pytest.mark.parametrize("host", [DIRECT_HOST, WILDCARD_HOST, PLAIN_MECHANISM_HOST])
def test_ways_that_are_secure(server, xmpp, host):
    user = xmpp.new_user(host)
    assert login(server, user).put("a", b"x").status == 201
    assert_login_asked_for(login(server, user, "wrong").get("a"))


# Trouble with the Jabber server


@pytest.mark.parametrize("host", [PLAIN_HOST, *BAD_CERTIFICATE_HOSTS])
def test_server_that_cannot_be_trusted_is_told_nothing(server, xmpp, log, host):
    log.expect(TROUBLE + f".*@{host}: ")
    user = xmpp.new_user(host)
    mark = xmpp.mark()
    assert_unavailable(login(server, user).put("a", b"x", JSON))
    assert_unavailable(login(server, user, "wrong").get("a", JSON))
    assert {kind for kind, _ in xmpp.events(mark)} == {"connected"}


def test_server_that_is_down(server, xmpp, user, log):
    log.expect(TROUBLE)
    client = login(server, user)
    assert client.put("a", b"x").status == 201
    with xmpp.stopped():
        begin = time.monotonic()
        assert_unavailable(client.get("a", JSON))
        assert_unavailable(login(server, user, "wrong").get("a", JSON))
        assert time.monotonic() - begin < DOWN_SECONDS_MAX
        # Links need nobody's word.
        assert client.open_link("/files/unknown/unknown").status == 404
    assert client.get("a").body == b"x"


def test_server_that_hangs(start_server, program, prosody, ejabberd, log, env):
    """Both at once, for it takes a while; another domain is not affected by it."""
    log.expect(TROUBLE)
    users = [(kind, kind.new_user(host)) for kind, host in ((prosody, "example.org"),
                                                            (ejabberd, "second.example"))]
    server = start_server(jabber_site(program, *(kind.domain_line(user.host)
                                                 for kind, user in users)))
    clients = [login(server, user) for _, user in users]
    for client in clients:
        assert client.put("a", b"x").status == 201
    begin = time.monotonic()
    with prosody.hanging(), ejabberd.hanging(), ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda client: client.get("a", JSON), clients))
    for answer in answers:
        assert_unavailable(answer)
    seconds = time.monotonic() - begin
    assert DEADLINE_SECONDS - 1 < seconds < DEADLINE_SECONDS + 8 * env.patience
    for client in clients:
        assert client.get("a").body == b"x"


# Who is not asked about


@pytest.mark.parametrize("jid", [
    "mallory@evil.example", "mallory@sub.example.org", "mallory@example.org.evil.example",
    "@example.org", "a@b@example.org", "alice@", "alice@exa mple.org", "al ice@example.org",
    "alice", "", "@", "alice@example.org/phone", "alice@127.0.0.1", "x" * 1100 + "@example.org",
    "alice\x07@example.org",
])
def test_who_is_no_user_of_ours_causes_no_traffic(server, xmpp, jid):
    mark = xmpp.mark()
    assert_login_asked_for(Client(server, jid, "x").request("GET", area_path("a@example.org")))
    assert xmpp.events(mark) == []


def test_links_cause_no_traffic(server, xmpp, user):
    link = login(server, user).put("a", b"x").link
    mark = xmpp.mark()
    assert Client(server).open_link(link).body == b"x"
    assert Client(server, user.jid, "wrong").request("GET", link).body == b"x"
    assert xmpp.events(mark) == []


def test_request_without_login_causes_no_traffic(server, xmpp, user):
    mark = xmpp.mark()
    assert_login_asked_for(Client(server).request("GET", area_path(user.jid, "a")))
    assert xmpp.events(mark) == []


def test_name_without_domain_where_there_is_one(start_server, program, xmpp, user):
    server = start_server(jabber_site(program, xmpp.domain_line()))
    client = Client(server, user.localpart, user.password)
    assert client.request("PUT", area_path(user.jid, "a"), b"x").status == 201
    assert client.request("GET", area_path(user.jid, "a")).body == b"x"
    shouting = Client(server, user.localpart.upper(), user.password)
    assert shouting.request("GET", area_path(user.jid, "a")).body == b"x"
    wrong = Client(server, user.localpart, "wrong")
    assert_login_asked_for(wrong.request("GET", area_path(user.jid, "a")))


def test_name_without_domain_where_there_are_two(server, xmpp, user):
    mark = xmpp.mark()
    client = Client(server, user.localpart, user.password)
    assert_login_asked_for(client.request("GET", area_path(user.jid, "a")))
    assert xmpp.events(mark) == []


def test_login_binds_nothing(server, xmpp, user):
    mark = xmpp.mark()
    for _ in range(5):
        assert login(server, user).put("a", b"x").status in (200, 201)
        assert login(server, user, "wrong").get("a").status == 401
    kinds = {kind for kind, _ in xmpp.events(mark)}
    assert kinds == {"connected", "accepted", "refused"}
