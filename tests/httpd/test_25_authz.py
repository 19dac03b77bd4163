"""Who may do what: the owner in the area, everybody with the link, nobody else anything."""

import unicodedata

import pytest

from client import Client, area_path
from config import Site, base_location
from users import PASSWORD

METHODS = ("GET", "HEAD", "PUT", "DELETE")


def statuses(client, path):
    """What each method answers on the URL of a path."""
    return [client.request(method, path, b"x" if method == "PUT" else None).status
            for method in METHODS]


@pytest.fixture(scope="module")
def site(users):
    wide_open = base_location("/open", users.path, require="all granted")
    any_user = base_location("/anyuser", users.path, require="valid-user")
    no_login = '<Location "/nologin">\n JabberFiles On\n Require all granted\n</Location>\n' \
        '<Location "/bare">\n JabberFiles On\n Require jabber-access\n</Location>\n'
    return Site(domains=("example.org", "second.example"),
                server_lines=wide_open + any_user + no_login)


def test_owner_alone_may_enter_the_area(server, owner, new_owner, nobody):
    owner.put("a", b"kept")
    path = area_path(owner.jid, "a")
    assert statuses(new_owner(), path) == [403] * 4
    assert statuses(nobody, path) == [401] * 4
    assert statuses(Client(server, owner.jid, "wrong"), path) == [401] * 4
    assert owner.get("a").body == b"kept"


# Login, area as written in the URL, status of a PUT.
@pytest.mark.valgrind
@pytest.mark.parametrize("login,area,status", [
    ("alice@example.org", "alice@example.org", 201),
    ("alice@example.org", "ALICE@example.org", 201),
    ("alice@example.org", "Alice@Example.ORG", 201),
    ("alice@example.org", "alice@example.org.", 201),
    ("alice@example.org", "ａｌｉｃｅ@example.org", 201),  # full width
    ("alice@example.org", "alice@ｅxample.org", (201, 400)),
    ("Dave@Example.ORG", "dave@example.org", 201),
    ("Dave@Example.ORG", "Dave@Example.ORG", 201),
    ("üwe@example.org", "ÜWE@example.org", 201),
    ("üwe@example.org", unicodedata.normalize("NFD", "üwe@example.org"), 201),
    ("erin@second.example", "erin@second.example", 201),
    ("erin@second.example", "erin@example.org", 403),
    ("alice@example.org", "alice@second.example", 403),
    ("alice@example.org", "alice@evil.example", 403),
    ("mallory@evil.example", "mallory@evil.example", 403),
    ("nodomain", "nodomain@example.org", 403),
    ("alice@example.org/phone", "alice@example.org", 403),
    ("@example.org", "alice@example.org", 403),
    ("alice@example.org", "аlice@example.org", (400, 403)),  # Cyrillic а
])
def test_area_belongs_to_the_prepared_jid(server, users, login, area, status):
    client = users.client(server, login)
    answer = client.request("PUT", area_path(area, f"as {area}"), b"x")
    assert answer.status in (status if isinstance(status, tuple) else (status,))


def test_all_spellings_lead_to_one_area(server, users):
    client = users.client(server, "alice@example.org")
    answer = client.request("PUT", area_path("ALICE@Example.org", "one"), b"x")
    assert answer.status in (200, 201)
    assert "one" in [entry["path"] for entry in client.listing()["files"]]
    assert client.listing()["area"] == "alice@example.org"


# First segments that look like JIDs but are none.
@pytest.mark.parametrize("segment", [
    "@", "@example.org", "alice@", "alice@@example.org", "a@b@example.org",
    "alice@example.org%40evil", "alice@exa%20mple.org", "al%20ice@example.org", "alice@.org",
    "alice@example..org", "alice%00@example.org", "alice@example.org%00", "al%22ice@example.org",
    "al%26ice@example.org", "al'ice@example.org", "al%3Aice@example.org", "al%3Cice@example.org",
    "%FF@example.org", "al%E2%80%AEice@example.org", "a" * 1024 + "@example.org",
    "a@" + "b" * 1024, "alice@-example.org", "*@example.org%25",
])
def test_malformed_jid_has_no_area(server, users, segment):
    client = users.client(server, "alice@example.org")
    for target in (f"/files/{segment}/x", f"/files/{segment}/"):
        assert client.request("GET", target).status in (400, 403, 404)
    assert client.request("PUT", f"/files/{segment}/x", b"x").status in (400, 403, 404)
    assert client.request("PUT", f"/files/{segment}/alice@example.org/x", b"x").status \
        in (400, 403, 404)


@pytest.mark.parametrize("base", ["/open", "/nologin", "/anyuser"])
def test_requiring_less_still_does_not_open_areas(server, users, owner, records, base):
    owner.put("a", b"kept")
    path = area_path(owner.jid, "a", base)
    strangers = [Client(server)]
    if base != "/nologin":
        strangers.append(users.client(server))
    for stranger in strangers:
        assert set(statuses(stranger, path)) <= {401, 403}
        answer = stranger.request("GET", area_path(owner.jid, base=base))
        assert answer.status in (401, 403)
        assert b"kept" not in answer.body
    assert records.object_of(owner.jid, "a").read_bytes() == b"kept"


def test_area_without_any_login_configured_is_closed_and_says_so(server, owner, log):
    log.allow("JF|AH00027|AH01618|AH03323|no AuthType")
    owner.put("a", b"kept")
    client = Client(server, owner.jid, PASSWORD)
    assert set(statuses(client, area_path(owner.jid, "a", "/bare"))) <= {401, 403, 500}
    assert owner.get("a").body == b"kept"


@pytest.mark.parametrize("base", ["/files", "/open", "/nologin", "/bare"])
def test_link_needs_no_login_anywhere(owner, nobody, base):
    link = owner.put("a", b"shared").link
    target = link.partition("/files")[2]
    assert nobody.request("GET", base + target).body == b"shared"
    assert nobody.request("PUT", base + target, b"x").status == 405


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + "x", PASSWORD[:-1], "a" * 5000])
def test_wrong_passwords_are_401(server, owner, password):
    client = Client(server, owner.jid, password)
    assert statuses(client, area_path(owner.jid, "a")) == [401] * 4


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic QQ==", "Bearer x", "Basic Og==",
                                   "Negotiate abc", "basic"])
def test_malformed_authorization_is_401(nobody, owner, value):
    answer = nobody.request("GET", area_path(owner.jid), headers={"Authorization": value})
    assert answer.status == 401


def test_wrong_login_does_not_spoil_a_link(server, owner):
    link = owner.put("a", b"shared").link
    assert Client(server, "somebody", "wrong").request("GET", link).body == b"shared"
