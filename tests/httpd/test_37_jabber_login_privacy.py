"""What a login with a Jabber password leaves behind: nothing with other clients of the user,
nothing in a log, a hash in the cache, and nothing at all on a network in clear."""

import socket
import subprocess
import time

import pytest

from answer import assert_safe_headers
from client import Client, area_path
from curl import Curl
from jabber_site import CACHE_FILES, CACHE_IN_FILE, TROUBLE, files_with, jabber_site, login
from records import wait_until
from xmpp_client import ChatClient
from xmpp_server import PLAIN_HOST, User

CACHE_SECONDS = 2
LOGINS = 20
ELSEWHERE = "192.0.2.77"
MARKER = "Tr0ub4dor-marker"


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def xmpp(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(xmpp):
    return xmpp.new_user()


@pytest.fixture
def cached(start_server, program, xmpp):
    """Starts a server with cached logins."""
    return lambda seconds=300, **more: start_server(
        jabber_site(program, xmpp.domain_line(), cache_seconds=seconds, **more))


def cache_content(server):
    return b"".join(path.read_bytes() for path in (server.root / "run").glob(CACHE_FILES))


# The user's other clients


def test_other_clients_notice_nothing(start_server, program, xmpp, user):
    server = start_server(jabber_site(program, xmpp.domain_line()))
    with ChatClient(xmpp, user) as chat:
        # Its own presence comes back; more is not due.
        time.sleep(0.3)
        chat.arrived.clear()
        mark = xmpp.mark()
        for number in range(5):
            assert login(server, user).put(f"{number}", b"x").status == 201
            assert login(server, user, "wrong").put("a", b"x").status == 401
        time.sleep(0.3)
        assert "bound" not in {kind for kind, _ in xmpp.events(mark)}
        assert chat.is_online()
        assert chat.arrived == []
        # Another client it would notice.
        with ChatClient(xmpp, user, "laptop"):
            wait_until(lambda: "laptop" in "".join(chat.arrived), 5, "nothing is noticed")


# The cache


def test_cached_login_causes_no_traffic(cached, xmpp, user):
    owner = login(cached(), user)
    assert owner.put("first", b"x").status == 201
    mark = xmpp.mark()
    for number in range(LOGINS):
        assert owner.put(f"{number}", b"x").status == 201
        owner.close()
    assert xmpp.events(mark) == []


def test_cached_login_works_while_the_server_is_down(cached, xmpp, user, log):
    log.expect(TROUBLE)
    server = cached()
    owner, other = login(server, user), login(server, xmpp.new_user())
    assert owner.put("a", b"x").status == 201
    with xmpp.stopped():
        assert owner.get("a").body == b"x"
        assert other.put("a", b"x").status == 503


def test_cached_login_is_the_one_password_only(cached, xmpp, user):
    server = cached()
    assert login(server, user).put("a", b"x").status == 201
    for wrong in ("wrong", "", user.password + "x", user.password[:-1], user.password.upper()):
        assert login(server, user, wrong).get("a").status == 401
    assert login(server, xmpp.new_user(), user.password).put("a", b"x").status == 401
    assert login(server, user).get("a").body == b"x"


def test_changed_password_holds_when_the_cache_forgets(cached, xmpp, user):
    server = cached(CACHE_SECONDS)
    old, new = login(server, user), login(server, User(user.jid, "a new password"))
    assert old.put("a", b"x").status == 201
    xmpp.change_password(User(user.jid, "a new password"))
    assert old.get("a").status == 200
    # The cache counts whole seconds.
    time.sleep(CACHE_SECONDS + 1)
    assert old.get("a").status == 401
    assert new.get("a").body == b"x"
    assert old.get("a").status == 401


def test_trouble_and_refusals_are_not_cached(cached, xmpp, log):
    log.expect(TROUBLE)
    server = cached()
    user = User("late@example.org", "comes later")
    assert login(server, user).put("a", b"x").status == 401
    xmpp.add_user(user)
    with xmpp.stopped():
        assert login(server, user).put("a", b"x").status == 503
    assert login(server, user).put("a", b"x").status == 201
    xmpp.remove_user(user)


# Secrets


def test_passwords_are_written_down_nowhere(start_server, program, xmpp, log):
    log.allow(TROUBLE)
    right, wrong = f"{MARKER} right", f"{MARKER} wrong"
    user, trouble = User("secretive@example.org", right), User(f"unlucky@{PLAIN_HOST}", right)
    xmpp.add_user(user)
    server = start_server(jabber_site(
        program, xmpp.domain_line(), xmpp.domain_line(PLAIN_HOST), cache_seconds=300,
        cache=CACHE_IN_FILE,
        server_lines="LogLevel jabberfiles:trace8 auth_basic:trace8 authn_socache:trace8 "
                     "authz_core:trace8"))
    log.allow(r"auth_basic:error|authn_socache:|authz_core:")
    for client in (login(server, user), login(server, user), login(server, user, wrong),
                   login(server, trouble), login(server, User("nobody@example.org", wrong)),
                   login(server, User("nobody@evil.example", wrong))):
        client.put("a", b"x")
        client.close()
    page = Client(server).request("GET", "/server-status").text
    assert MARKER not in page
    assert files_with(MARKER, server.root) == []
    # The search would find it, and the cache was searched.
    (server.root / "proof").write_text(MARKER, encoding="ascii")
    assert [path.name for path in files_with(MARKER, server.root)] == ["proof"]
    assert b"$6$" in cache_content(server)
    xmpp.remove_user(user)


def test_equal_passwords_do_not_look_alike_in_the_cache(cached, xmpp, log):
    log.allow("AH01686")  # mod_authn_socache about what is not in such a file
    server = cached(cache=CACHE_IN_FILE)
    for name in ("one", "two"):
        user = User(f"{name}@example.org", "the same password")
        xmpp.add_user(user)
        assert login(server, user).put("a", b"x").status == 201
        xmpp.remove_user(user)
    hashes = [text[:80] for text in cache_content(server).split(b"$6$")[1:]]
    assert len(hashes) == len(set(hashes)) == 2


# Passwords in clear on a network


@pytest.fixture
def behind_a_proxy(start_server, program, xmpp):
    """Starts a server that hears from its proxy who the client is."""
    def start(*lines, **more):
        return start_server(jabber_site(
            program, xmpp.domain_line(), modules=("remoteip",), base_lines="\n".join(lines),
            server_lines="RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n",
            **more))

    return start


def requests_from_elsewhere(server, user):
    """The answers for a right login, a wrong one and none."""
    origin = {"X-Forwarded-For": ELSEWHERE}
    return [client.request("PUT", area_path(user.jid, "a"), b"x", origin)
            for client in (login(server, user), login(server, user, "wrong"), Client(server))]


def assert_no_login_asked_for(answer):
    assert answer.status == 403
    assert answer.header("WWW-Authenticate") is None
    assert_safe_headers(answer)


def test_login_in_clear_from_elsewhere_is_not_asked_for(behind_a_proxy, xmpp, user):
    server = behind_a_proxy()
    mark = xmpp.mark()
    for answer in requests_from_elsewhere(server, user):
        assert_no_login_asked_for(answer)
    assert xmpp.events(mark) == []
    # From this machine it is.
    link = login(server, user).put("a", b"x").link
    # A link is for everybody everywhere.
    assert Client(server).request("GET", link, headers={"X-Forwarded-For": ELSEWHERE}).body == b"x"
    assert Client(server).request("OPTIONS", area_path(user.jid, "a"),
                                  headers={"X-Forwarded-For": ELSEWHERE}).status in (200, 204)


def test_login_behind_a_tls_proxy(behind_a_proxy, user):
    server = behind_a_proxy("JabberFilesTLSProxy On")
    answers = requests_from_elsewhere(server, user)
    assert [answer.status for answer in answers] == [201, 401, 401]


def test_login_over_https_from_elsewhere(behind_a_proxy, user, certs):
    server = behind_a_proxy(certificates=certs)
    answers = requests_from_elsewhere(server, user)
    assert [answer.status for answer in answers] == [201, 401, 401]


def test_login_over_http_2(start_server, program, xmpp, user, certs):
    server = start_server(jabber_site(program, xmpp.domain_line(), certificates=certs, http2=True))
    owner = login(server, user)
    answer = Curl(server, owner)("--http2", "-T", "-", area_path(user.jid, "a"), body=b"x")
    assert (answer.version, answer.status) == ("HTTP/2", 201)
    wrong = Curl(server, login(server, user, "wrong"))
    assert wrong("--http2", area_path(user.jid, "a")).status == 401


def own_addresses():
    """The addresses of this machine that are not loopback ones, perhaps none."""
    shown = subprocess.run(["hostname", "-I"], text=True, capture_output=True, check=False).stdout
    return [word for word in shown.split() if "." in word]


def test_login_in_clear_at_another_address_of_this_machine(start_server, program, xmpp, user):
    server = start_server(jabber_site(program, xmpp.domain_line(), listen="0.0.0.0"))
    for address, status in [("127.0.0.1", 201), *((address, 403) for address in own_addresses())]:
        connection = server.connect(address=address)
        connection.request("PUT", area_path(user.jid, f"from {address}"), b"x",
                           {"Authorization": login(server, user).authorization})
        assert connection.getresponse().status == status
        connection.close()


def test_login_in_clear_over_ipv6_loopback(start_server, program, xmpp, user):
    """It is asked for there; whoever has no IPv6 sees it with the mapped address only."""
    server = start_server(jabber_site(program, xmpp.domain_line(), listen="[::]"))
    for address in ("::1", "127.0.0.1") if has_ipv6() else ("127.0.0.1",):
        connection = server.connect(address=address)
        connection.request("PUT", area_path(user.jid, address.strip(":")), b"x",
                           {"Authorization": login(server, user).authorization})
        assert connection.getresponse().status == 201
        connection.close()


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False
