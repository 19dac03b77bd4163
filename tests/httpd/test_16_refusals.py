"""The table of answers, row by row, as curl sees it: for URLs of areas and for links."""

import re

import pytest

from answer import assert_problem, assert_safe_headers
from client import Client, area_path
from config import Site
from curl import Curl

MAX_FILE_BYTES = 100_000
QUOTA_BYTES = 150_000

UNKNOWN_LINK = "/files/AAAAAAAAAAAAAAAAAAAAAA/x.txt"


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}")


@pytest.fixture(scope="module")
def place(server, users):
    """An area with a file, its link, and users who may or may not."""
    owner = users.client(server)
    stranger = users.client(server)
    link = owner.put("there.txt", bytes(MAX_FILE_BYTES)).link
    return {"owner": owner, "stranger": stranger, "nobody": None, "link": link,
            "area": area_path(owner.jid), "liar": Client(server, owner.jid, "wrong"),
            "unknown": Client(server, "unknown@example.org", "wrong"), "missing": UNKNOWN_LINK}


def put(size_bytes=1, *fields):
    """curl's arguments for an upload of so many bytes from standard input, the length announced."""
    options = [word for field in fields for word in ("-H", field)]
    return ("-X", "PUT", "--data-binary", "@-", *options), bytes(size_bytes)


def method(name, *fields):
    return ("-X", name, *(word for field in fields for word in ("-H", field))), None


GET = method("GET")
HEAD = ("--head",), None

# Who, what, where, status, fields that must be there. In rows of 401, everybody is told the same.
ROWS = (
    ("owner", put(), "{area}new", 201, ("Location", "Link", "ETag")),
    ("owner", put(), "{area}new", 200, ("Location", "Link", "ETag")),
    ("owner", GET, "{area}new", 200, ("ETag", "Content-Disposition", "Accept-Ranges")),
    ("owner", HEAD, "{area}new", 200, ("ETag", "Content-Disposition")),
    ("owner", method("DELETE"), "{area}new", 204, ()),
    ("owner", GET, "{area}new", 404, ()),
    ("owner", HEAD, "{area}new", 404, ()),
    ("owner", method("DELETE"), "{area}new", 404, ()),
    ("owner", GET, "{area}", 200, ("Content-Type",)),
    ("owner", put(MAX_FILE_BYTES + 1), "{area}new", 413, ()),
    ("owner", put(QUOTA_BYTES - MAX_FILE_BYTES + 1), "{area}new", 507, ()),
    ("owner", put(1, "Content-Range: bytes 0-0/2"), "{area}new", 400, ()),
    ("owner", put(1, "Content-Encoding: gzip"), "{area}new", 415, ()),
    ("owner", put(1, "If-None-Match: *"), "{area}there.txt", 412, ()),
    ("owner", put(1, "If-Match: *"), "{area}new", 412, ()),
    ("owner", put(), "{area}bad%01name", 400, ()),
    ("owner", put(), "{area}docs/", 405, ("Allow",)),
    ("owner", method("POST"), "{area}new", 405, ("Allow",)),
    ("owner", method("POST"), "{area}", 405, ("Allow",)),
    ("owner", method("DELETE"), "{area}", 405, ("Allow",)),
    ("owner", method("PATCH"), "{area}there.txt", 405, ("Allow",)),
    ("owner", method("PROPFIND"), "{area}", 405, ("Allow",)),
    ("owner", method("MKCOL"), "{area}docs", 405, ("Allow",)),
    ("nobody", put(), "{area}new", 401, ("WWW-Authenticate",)),
    ("nobody", GET, "{area}there.txt", 401, ("WWW-Authenticate",)),
    ("nobody", GET, "{area}missing", 401, ("WWW-Authenticate",)),
    ("nobody", GET, "{area}", 401, ("WWW-Authenticate",)),
    ("nobody", method("DELETE"), "{area}there.txt", 401, ("WWW-Authenticate",)),
    ("liar", put(), "{area}new", 401, ("WWW-Authenticate",)),
    ("liar", GET, "{area}there.txt", 401, ("WWW-Authenticate",)),
    ("unknown", put(), "{area}new", 401, ("WWW-Authenticate",)),
    ("unknown", GET, "{area}there.txt", 401, ("WWW-Authenticate",)),
    ("stranger", put(), "{area}new", 403, ()),
    ("stranger", GET, "{area}there.txt", 403, ()),
    ("stranger", GET, "{area}missing", 403, ()),
    ("stranger", HEAD, "{area}there.txt", 403, ()),
    ("stranger", GET, "{area}", 403, ()),
    ("stranger", method("DELETE"), "{area}there.txt", 403, ()),
    ("nobody", GET, "{link}", 200, ("ETag", "Content-Disposition", "Accept-Ranges")),
    ("nobody", HEAD, "{link}", 200, ("ETag", "Content-Disposition")),
    ("stranger", GET, "{link}", 200, ("ETag",)),
    ("liar", GET, "{link}", 200, ("ETag",)),
    ("nobody", put(), "{link}", 405, ("Allow",)),
    ("owner", put(), "{link}", 405, ("Allow",)),
    ("nobody", method("DELETE"), "{link}", 405, ("Allow",)),
    ("owner", method("DELETE"), "{link}", 405, ("Allow",)),
    ("nobody", method("POST"), "{link}", 405, ("Allow",)),
    ("nobody", GET, "{link}x", 404, ()),
    ("nobody", GET, "{missing}", 404, ()),
    ("nobody", HEAD, "{missing}", 404, ()),
    ("owner", GET, "{missing}", 404, ()),
    ("nobody", GET, "/files/", 404, ()),
    ("owner", GET, "/files/", 404, ()),
    ("nobody", GET, "/files/x", 404, ()),
    ("nobody", GET, "/files/x/", 404, ()),
    ("nobody", GET, "/files/x/y/z", 404, ()),
    ("nobody", GET, "/files/.slot?jid=alice@example.org", 404, ()),
    ("nobody", method("OPTIONS"), "{area}there.txt", 204, ("Allow",)),
    ("nobody", method("OPTIONS"), "{area}", 204, ("Allow",)),
    ("nobody", method("OPTIONS"), "{link}", 204, ("Allow",)),
    ("nobody", method("OPTIONS"), "{missing}", 204, ("Allow",)),
)


def row_name(row):
    who, (options, _), where, status, _ = row
    return f"{who} {' '.join(option for option in options if option != '-X')} {where} {status}"


def run_row(server, place, row, *more):
    who, (options, body), where, _, _ = row
    return Curl(server, place[who])(*options, *more, where.format(**place), body=body)


@pytest.mark.valgrind
@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_row_of_the_table(server, place, row):
    answer = run_row(server, place, row)
    status, fields = row[3:]
    assert answer.status == status
    for field in fields:
        assert answer.header(field), field
    assert_safe_headers(answer)
    assert str(server.root).encode() not in answer.body
    if status >= 400 and "--head" not in row[1][0]:
        assert answer.header("Content-Type").startswith("text/html")


REFUSALS = [row for row in ROWS if row[3] >= 400 and row[1] is not HEAD]


@pytest.mark.parametrize("row", REFUSALS, ids=row_name)
def test_refusal_is_a_problem_for_who_accepts_json(server, place, row):
    answer = run_row(server, place, row, "-H", "Accept: application/json")
    assert_problem(answer, row[3])
    assert_safe_headers(answer)
    assert str(server.root).encode() not in answer.body
    for field in row[4]:
        assert answer.header(field), field


@pytest.mark.parametrize("accept,is_json", [
    ("application/problem+json", True),
    ("text/plain;q=0.5, application/problem+json", True),
    ("APPLICATION/JSON", True),
    ("*/*", False),
    ("text/html,application/xhtml+xml,*/*;q=0.8", False),
])
def test_accept_decides_between_page_and_problem(server, accept, is_json):
    answer = Curl(server)("-H", f"Accept: {accept}", UNKNOWN_LINK)
    expected = "application/problem+json" if is_json else "text/html"
    assert answer.header("Content-Type").startswith(expected)


def test_unknown_method_is_refused(server, place, log):
    log.allow("AH00135")  # httpd's own remark, if it is left to httpd
    row = ("owner", method("NONSENSE"), "{area}there.txt", 501, ())
    assert run_row(server, place, row).status in (405, 501)


ALLOWED = (
    ("{area}there.txt", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
    ("{area}", {"GET", "HEAD", "OPTIONS"}),
    ("{link}", {"GET", "HEAD", "OPTIONS"}),
)


@pytest.mark.parametrize("where,methods", ALLOWED)
def test_405_allows_exactly_what_works_there(server, place, where, methods):
    allow = run_row(server, place, ("owner", method("POST"), where, 405, ())).header("Allow")
    # httpd adds its own TRACE.
    assert set(re.split(r",\s*", allow)) - {"TRACE"} == methods


def _shape(answer):
    """All of an answer that could tell two refusals apart."""
    fields = sorted((name, value) for name, value in answer.headers.items() if name != "Date")
    return answer.status, fields, answer.body


def test_401_is_alike_for_nobody_wrong_password_and_unknown_user(server, place):
    for accept in ("*/*", "application/json"):
        shapes = [_shape(run_row(server, place, (who, GET, "{area}there.txt", 401, ()),
                                 "-H", f"Accept: {accept}"))
                  for who in ("nobody", "liar", "unknown")]
        assert shapes[0] == shapes[1] == shapes[2]


def test_404_is_alike_for_unknown_deleted_and_misnamed_links(server, users):
    owner = users.client(server)
    curl = Curl(server)
    deleted = owner.put("gone.txt", b"x").link
    owner.delete("gone.txt")
    alive = owner.put("gone.txt", b"x").link
    misnamed = alive.replace("gone.txt", "gine.txt")
    for accept in ("*/*", "application/json"):
        shapes = [_shape(curl("-H", f"Accept: {accept}", target))
                  for target in (UNKNOWN_LINK, deleted, misnamed)]
        assert shapes[0] == shapes[1] == shapes[2]


def test_area_without_slash_redirects_to_its_list(server, place):
    answer = Curl(server, place["owner"])(place["area"].rstrip("/"))
    assert answer.status in (301, 302)
    assert answer.header("Location").endswith("/")
    followed = place["owner"].request("GET", answer.header("Location"))
    assert followed.status == 200


@pytest.mark.parametrize("document", ['"this is our page"', "/ready.txt"])
def test_error_page_of_the_operator_is_used(start_server, users, document):
    server = start_server(Site(base_lines=f"ErrorDocument 404 {document}"))
    owner = users.client(server)
    answer = owner.get("missing")
    assert (answer.status, answer.text.strip()) in ((404, "this is our page"), (404, "ready"))
    assert_safe_headers(answer)
    assert owner.open_link(UNKNOWN_LINK).text == answer.text


def test_trace_reveals_nothing(server, place):
    answer = run_row(server, place, ("owner", method("TRACE"), "{area}there.txt", 405, ()))
    assert answer.status in (200, 403, 405)
    assert b"\0" not in answer.body
