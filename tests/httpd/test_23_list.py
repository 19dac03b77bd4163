"""The list of an area: a page for people, JSON for programs."""

import html
import html.parser
import re
from datetime import datetime, timedelta, timezone

import pytest

from answer import assert_problem
from client import JSON, area_path, link_path
from config import Site

HOSTILE_NAMES = ("<script>alert(1)</script>", '"onmouseover="x', "'quote'", "a&amp;b", "&lt;",
                 "<img src=x onerror=y>.png", "--><b>", "javascript:alert(1)", "日本.txt",
                 "a b+c%20d.txt", "?x=1", "#x")
PERIOD_KEYS = {"transfer_period", "period_start", "period_end"}
LIST_KEYS = PERIOD_KEYS | {"area", "used_bytes", "reserved_bytes", "quota_bytes",
                           "transferred_bytes", "transfer_quota_bytes", "files", "next"}
ENTRY_KEYS = {"path", "size_bytes", "content_type", "created", "expires", "link", "url", "etag"}


class PageReader(html.parser.HTMLParser):
    """Collects elements, links and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.links, self.words = set(), set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.valgrind
def test_json_list_describes_every_file(server, owner):
    created = owner.put("docs/ü.txt", b"12345", {"Content-Type": "text/plain"})
    listing = owner.listing()
    assert listing["area"] == owner.jid
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (5, 0)
    assert listing["quota_bytes"] == 500 << 20
    assert listing["next"] is None
    entry, = listing["files"]
    assert entry.keys() >= ENTRY_KEYS
    assert (entry["path"], entry["size_bytes"]) == ("docs/ü.txt", 5)
    assert entry["content_type"] == "text/plain"
    assert entry["expires"] is None
    assert (entry["link"], entry["url"]) == (created.link, created.header("Location"))
    assert entry["etag"] == created.header("ETag")
    created_at = datetime.fromisoformat(entry["created"].replace("Z", "+00:00"))
    age = datetime.now(timezone.utc) - created_at
    assert timedelta(0) <= age + timedelta(seconds=1) < timedelta(minutes=2)


def test_list_of_an_area_nobody_used_is_empty(owner):
    listing = owner.listing()
    assert listing.keys() == LIST_KEYS
    assert {key: listing[key] for key in listing.keys() - PERIOD_KEYS} == {
        "area": owner.jid, "used_bytes": 0, "reserved_bytes": 0, "quota_bytes": 500 << 20,
        "transferred_bytes": 0, "transfer_quota_bytes": None, "files": [], "next": None}
    assert owner.request("GET", area_path(owner.jid)).status == 200


def test_list_is_not_cached(owner):
    for headers in ({}, JSON):
        answer = owner.request("GET", area_path(owner.jid), headers=headers)
        assert "no-store" in answer.header("Cache-Control")
        assert "accept" in answer.header("Vary").lower()


def test_html_page_shows_names_as_text_only(owner):
    for name in HOSTILE_NAMES:
        assert owner.put(name, name.encode()).status == 201
    answer = owner.request("GET", area_path(owner.jid))
    assert answer.header("Content-Type").lower() == "text/html; charset=utf-8"
    page = PageReader(answer.text)
    text = "".join(page.words)
    for name in HOSTILE_NAMES:
        assert name in text, name
    assert not page.elements & {"script", "img", "b", "iframe", "object", "form"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert owner.jid in text
    assert html.escape("<script>alert(1)</script>") in answer.text.replace("&#34;", "&quot;")


def test_links_of_the_html_page_lead_to_the_files(owner, nobody):
    for name in HOSTILE_NAMES:
        owner.put(name, name.encode())
    page = PageReader(owner.request("GET", area_path(owner.jid)).text)
    shared = [href for href in page.links if re.search(r"/files/[\w-]{22,}/", href)]
    contents = {nobody.request("GET", link_path(href)).body.decode() for href in shared}
    assert contents == set(HOSTILE_NAMES)


def test_html_page_works_under_its_own_policy(owner):
    answer = owner.request("GET", area_path(owner.jid))
    policy = answer.header("Content-Security-Policy")
    if re.search(r"<style|style=", answer.text):
        assert "style-src" in policy
    assert "script-src" not in policy and "unsafe-eval" not in policy


def test_head_of_the_list_has_no_body(owner):
    answer = owner.request("HEAD", area_path(owner.jid))
    assert (answer.status, answer.body) == (200, b"")


def test_files_are_sorted_bytewise(owner):
    paths = ["b", "a", "B", "ä", "a/b", "a.b", "a b", "z", "日", "Z", "a/a/a"]
    for path in paths:
        owner.put(path, b"x")
    assert [entry["path"] for entry in owner.listing()["files"]] \
        == sorted(paths, key=lambda path: path.encode())


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10])
def test_pages_join_to_the_whole_list(owner, limit):
    paths = sorted(f"file {n} & more?.txt" for n in range(7))
    for path in paths:
        owner.put(path, b"x")
    seen, target, pages = [], f"{area_path(owner.jid)}?limit={limit}", 0
    while target:
        page = owner.request("GET", target, headers=JSON).json()
        assert len(page["files"]) <= limit
        assert page["used_bytes"] == 7
        seen += [entry["path"] for entry in page["files"]]
        target = page["next"] and link_query(page["next"])
        pages += 1
    assert seen == paths
    assert pages == -(-7 // limit)


def link_query(url):
    """Path and query of an absolute URL."""
    return "/" + url.split("/", 3)[3]


def test_after_starts_behind_a_path_that_need_not_exist(owner):
    for path in ("a", "c", "d"):
        owner.put(path, b"x")
    assert [entry["path"] for entry in owner.listing(query="?after=b")["files"]] == ["c", "d"]
    assert [entry["path"] for entry in owner.listing(query="?after=c&limit=1")["files"]] == ["d"]
    assert owner.listing(query="?after=zzz")["files"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=1e3", "limit=",
                                   "limit=99999999999999999999"])
def test_bad_paging_is_400(owner, query):
    answer = owner.request("GET", f"{area_path(owner.jid)}?{query}", headers=JSON)
    # A limit beyond the largest page may be taken as the largest page.
    if answer.status != 200 or not query.startswith("limit=999"):
        assert_problem(answer, 400)


def test_unknown_query_parameters_are_ignored(owner):
    owner.put("a", b"x")
    assert len(owner.listing(query="?color=blue&_=123")["files"]) == 1


def test_folder_lists_what_is_below_it(owner):
    for path in ("docs/a", "docs/sub/b", "docs.txt", "docsx/c", "other", "üb/d"):
        owner.put(path, b"x")
    assert [entry["path"] for entry in owner.listing("docs/")["files"]] == ["docs/a", "docs/sub/b"]
    assert [entry["path"] for entry in owner.listing("docs/sub/")["files"]] == ["docs/sub/b"]
    assert [entry["path"] for entry in owner.listing("üb/")["files"]] == ["üb/d"]
    assert owner.listing("docs/")["used_bytes"] == 6
    assert owner.listing("nothing/")["files"] == []


def test_default_page_has_a_thousand_files(server, owner, records):
    for number in range(1005):
        owner.put(f"{number:04}", b"")
    listing = owner.listing()
    assert len(listing["files"]) == 1000
    rest = owner.request("GET", link_query(listing["next"]), headers=JSON).json()
    assert [entry["path"] for entry in rest["files"]] == [f"{n:04}" for n in range(1000, 1005)]
    assert rest["next"] is None
    # The page for people says where the rest is, too.
    page = owner.request("GET", area_path(owner.jid)).text
    assert "after=0999" in html.unescape(page)


@pytest.mark.parametrize("accept,is_json", [
    ("application/json", True), ("text/html", False), ("*/*", False), (None, False),
    ("application/json, text/html;q=0.5", True)])
def test_accept_chooses_the_form(owner, accept, is_json):
    headers = {"Accept": accept} if accept else {}
    answer = owner.request("GET", area_path(owner.jid), headers=headers)
    assert answer.header("Content-Type").startswith(
        "application/json" if is_json else "text/html")


def test_list_of_another_user_is_403(owner, new_owner):
    other = new_owner()
    other.put("private.txt", b"x")
    for folder in ("", "docs/"):
        answer = owner.request("GET", area_path(other.jid, folder), headers=JSON)
        assert_problem(answer, 403)
        assert "private" not in answer.text


def test_list_shows_the_quota_of_its_location(start_server, users):
    server = start_server(Site(base_lines="JabberFilesQuota unlimited"))
    assert users.client(server).listing()["quota_bytes"] is None
    server.reconfigure(Site(base_lines="JabberFilesQuota 1.5K"))
    assert users.client(server).listing()["quota_bytes"] == 1536
