"""CORS: web clients of any origin work, credentials are never invited."""

import pytest

from client import Client, area_path
from config import Site, base_location

ORIGIN = "https://web.example.org"
LISTED = "https://a.example"
LISTED_TOO = "https://b.example:8443"
ORIGIN_FIELDS = {"Origin": ORIGIN}
NEEDED_METHODS = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}
NEEDED_FIELDS = {"authorization", "content-type", "if-match", "if-none-match", "range",
                 "repr-digest", "content-digest"}
EXPOSED_FIELDS = {"etag", "location", "link", "retry-after", "content-range",
                  "content-disposition", "repr-digest"}


@pytest.fixture(scope="module")
def site(users):
    bases = (("/listed", f"JabberFilesCORS {LISTED} {LISTED_TOO}"), ("/off", "JabberFilesCORS Off"),
             ("/star", "JabberFilesCORS *"))
    return Site(server_lines="".join(base_location(path, users.path, lines)
                                     for path, lines in bases))


def words(value):
    return {word.strip().lower() for word in value.split(",")}


def preflight(client, target, method="PUT", origin=ORIGIN, asked="authorization,content-type"):
    return client.request("OPTIONS", target, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": asked})


@pytest.mark.valgrind
@pytest.mark.parametrize("target", ["/files/alice@example.org/x", "/files/alice@example.org/",
                                    "/files/AAAAAAAAAAAAAAAAAAAAAA/x", "/files/",
                                    "/star/alice@example.org/x"])
def test_preflight_needs_no_login_and_names_everything(nobody, target):
    answer = preflight(nobody, target)
    assert answer.status == 204
    assert answer.body == b""
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert {word.upper() for word in words(answer.header("Access-Control-Allow-Methods"))} \
        >= NEEDED_METHODS
    assert words(answer.header("Access-Control-Allow-Headers")) >= NEEDED_FIELDS
    assert int(answer.header("Access-Control-Max-Age")) > 5
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert answer.header("WWW-Authenticate") is None


def test_every_answer_can_be_read_by_scripts(owner, nobody):
    created = owner.put("x", b"x", ORIGIN_FIELDS)
    answers = [
        created, owner.get("x", ORIGIN_FIELDS), owner.put("x", b"x", ORIGIN_FIELDS),
        owner.get("x", {"Range": "bytes=9-", **ORIGIN_FIELDS}), owner.get("missing", ORIGIN_FIELDS),
        owner.get("x", {"If-None-Match": owner.head("x").header("ETag"), **ORIGIN_FIELDS}),
        owner.put("x", b"x", {"Content-Range": "bytes 0-0/1", **ORIGIN_FIELDS}),
        owner.request("GET", area_path(owner.jid), headers=ORIGIN_FIELDS),
        nobody.request("GET", created.link, headers=ORIGIN_FIELDS),
        nobody.request("GET", area_path(owner.jid), headers=ORIGIN_FIELDS),
        nobody.request("GET", "/files/x", headers=ORIGIN_FIELDS),
        owner.request("GET", area_path("alice@example.org"), headers=ORIGIN_FIELDS),
        owner.delete("x", ORIGIN_FIELDS),
    ]
    assert [answer.status for answer in answers] \
        == [201, 200, 200, 416, 404, 304, 400, 200, 200, 401, 404, 403, 204]
    for answer in answers:
        assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
        assert answer.header("Access-Control-Allow-Credentials") is None
        if answer.status != 304:
            assert words(answer.header("Access-Control-Expose-Headers")) >= EXPOSED_FIELDS


def test_browser_that_has_it_from_an_image_may_read_it_later(owner, nobody):
    """The long list is for those who say their origin; who has a file without it asks again."""
    link = owner.put("x", b"x").link
    first = nobody.open_link(link)
    assert first.header("Access-Control-Allow-Origin") == "*"
    assert first.header("Access-Control-Expose-Headers") is None
    assert first.header("Cache-Control") == "no-cache"
    again = nobody.open_link(link, headers={"If-None-Match": first.header("ETag"), **ORIGIN_FIELDS})
    assert again.status == 304
    assert words(again.header("Access-Control-Expose-Headers")) >= EXPOSED_FIELDS


@pytest.mark.parametrize("origin,echoed", [
    (LISTED, True), (LISTED_TOO, True), (ORIGIN, False), ("https://a.example.evil.org", False),
    ("http://a.example", False), ("https://a.example:444", False), ("null", False),
    ("https://b.example", False), (LISTED.upper(), False), (f"{LISTED} {LISTED_TOO}", False),
    ("", False), ("*", False),
])
def test_listed_origins_are_echoed_and_no_other(server, users, origin, echoed):
    owner = users.client(server, base="/listed")
    fields = {"Origin": origin}
    answers = [owner.put("x", b"x", fields), owner.get("x", fields), owner.get("missing", fields),
               preflight(owner, area_path(owner.jid, "x", "/listed"), origin=origin)]
    for answer in answers:
        assert answer.header("Access-Control-Allow-Origin") == (origin if echoed else None)
        assert "origin" in words(answer.header("Vary"))
        assert answer.header("Access-Control-Allow-Credentials") is None


def test_listed_origins_vary_without_origin_too(server, users):
    owner = users.client(server, base="/listed")
    answer = owner.put("x", b"x")
    assert answer.header("Access-Control-Allow-Origin") is None
    assert "origin" in words(answer.header("Vary"))


def test_off_says_nothing_of_cors(server, users):
    owner = users.client(server, base="/off")
    answers = [owner.put("x", b"x", ORIGIN_FIELDS), owner.get("x", ORIGIN_FIELDS),
               owner.get("missing", ORIGIN_FIELDS),
               preflight(Client(server), area_path(owner.jid, "x", "/off"))]
    assert answers[-1].status == 204
    for answer in answers:
        assert not [name for name in answer.headers.keys() if name.lower().startswith("access-c")]


def test_options_without_origin_is_answered_too(nobody):
    answer = nobody.request("OPTIONS", "/files/alice@example.org/x")
    assert answer.status == 204
    assert {"GET", "PUT"} <= {word.upper() for word in words(answer.header("Allow"))}
