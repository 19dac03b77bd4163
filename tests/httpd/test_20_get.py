"""GET and HEAD: ranges, conditions, types, and how a browser is told to treat a file."""

import hashlib
import os
import re
from urllib.parse import unquote

import pytest

from answer import assert_safe_headers
from client import area_path
from config import Site
from wire import Wire, request_head

CONTENT = bytes(n % 256 for n in range(1000))
LONG_AGO = "Sat, 01 Jan 2000 00:00:00 GMT"
FAR_AHEAD = "Fri, 01 Jan 2100 00:00:00 GMT"

# What a stock or careless server may do to files by their names or types.
MEDDLESOME = """
    AddHandler cgi-script .cgi .php .pl .py
    AddType text/html .shtml .html .htm
    AddType application/x-httpd-php .php
    AddOutputFilter INCLUDES .shtml
    AddEncoding x-gzip .gz .tgz
    AddEncoding x-bzip2 .bz2
    AddLanguage de .de
    AddCharset iso-8859-1 .latin1
    AddOutputFilterByType DEFLATE text/plain text/html application/octet-stream image/svg+xml
    ForceType text/html
    DefaultType none
    Options +ExecCGI +Includes +Indexes +MultiViews
"""


@pytest.fixture(scope="module")
def site():
    return Site(modules=("include", "cgid"),
                server_lines=f'<Location "/">{MEDDLESOME}</Location>', base_lines=MEDDLESOME)


@pytest.fixture
def link(owner):
    return owner.put("file.bin", CONTENT, {"Content-Type": "video/mp4"}).link


# Range, status, Content-Range, the bytes
DIGITS_30 = "9" * 30
RANGES = (
    ("bytes=0-0", 206, "bytes 0-0/1000", CONTENT[:1]),
    ("bytes=0-99", 206, "bytes 0-99/1000", CONTENT[:100]),
    ("bytes=999-999", 206, "bytes 999-999/1000", CONTENT[999:]),
    ("bytes=500-", 206, "bytes 500-999/1000", CONTENT[500:]),
    ("bytes=-1", 206, "bytes 999-999/1000", CONTENT[999:]),
    ("bytes=-1000", 206, "bytes 0-999/1000", CONTENT),
    ("bytes=-5000", 206, "bytes 0-999/1000", CONTENT),
    ("bytes=900-5000", 206, "bytes 900-999/1000", CONTENT[900:]),
    (f"bytes=900-{DIGITS_30}", 206, "bytes 900-999/1000", CONTENT[900:]),
    ("bytes=0-", 206, "bytes 0-999/1000", CONTENT),
    ("bytes=1000-", 416, "bytes */1000", None),
    ("bytes=1000-2000", 416, "bytes */1000", None),
    (f"bytes={DIGITS_30}-", 416, "bytes */1000", None),
    ("bytes=-0", 416, "bytes */1000", None),
    ("bytes=5-4", 200, None, CONTENT),
    ("bytes=a-b", 200, None, CONTENT),
    ("bytes=-", 200, None, CONTENT),
    ("bytes=", 200, None, CONTENT),
    ("bytes", 200, None, CONTENT),
    ("items=0-5", 200, None, CONTENT),
    ("bytes=--5", 200, None, CONTENT),
    ("bytes=0x1-5", 200, None, CONTENT),
)


@pytest.mark.valgrind
@pytest.mark.parametrize("value,status,content_range,content", RANGES)
def test_range(owner, link, value, status, content_range, content):
    for answer in (owner.open_link(link, headers={"Range": value}),
                   owner.get("file.bin", {"Range": value})):
        # Ranges of no use may be ignored instead of refused, and numbers beyond all limits too.
        if (answer.status, status) == (200, 416) or (DIGITS_30 in value and answer.status == 200):
            assert answer.body == CONTENT
            continue
        assert answer.status == status
        assert answer.header("Content-Range") == content_range
        if content is not None:
            assert answer.body == content
            assert int(answer.header("Content-Length")) == len(content)
        assert_safe_headers(answer)
        assert answer.header("Content-Disposition")


def test_several_ranges_are_multipart(owner, link):
    answer = owner.open_link(link, headers={"Range": "bytes=0-9,500-509,-10"})
    assert answer.status == 206
    boundary = re.fullmatch(r"multipart/byteranges; ?boundary=\"?([^\"]+)\"?",
                            answer.header("Content-Type")).group(1)
    parts = answer.body.split(b"--" + boundary.encode())[1:-1]
    bodies = [part.partition(b"\r\n\r\n")[2][:-2] for part in parts]
    assert bodies == [CONTENT[:10], CONTENT[500:510], CONTENT[-10:]]
    assert all(b"video/mp4" in part for part in parts)
    assert_safe_headers(answer)


@pytest.mark.parametrize("value", [
    "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 1000, 2)),
    "bytes=" + ",".join(["0-"] * 1000),
    "bytes=" + ",".join(["0-999"] * 600),
    "bytes=" + ",".join(f"{n}-" for n in range(700)),
])
def test_range_bombs_cost_little(owner, link, value):
    answer = owner.open_link(link, headers={"Range": value})
    assert answer.status in (200, 206, 400, 416)
    assert len(answer.body) < 200 * len(CONTENT)


@pytest.mark.parametrize("value,status", [("bytes=0-0", (200, 416)), ("bytes=-1", (200, 206, 416)),
                                          ("bytes=0-", (200, 416))])
def test_range_of_an_empty_file(owner, value, status):
    link = owner.put("empty", b"").link
    answer = owner.open_link(link, headers={"Range": value})
    assert answer.status in status
    assert answer.status == 416 or answer.body == b""


@pytest.mark.parametrize("condition,status", [
    ("{}", 206), ("W/{}", 200), ('"other"', 200), (LONG_AGO, 200), ("nonsense", 200)])
def test_if_range(owner, link, condition, status):
    tag = owner.open_link(link).header("ETag")
    answer = owner.open_link(link, headers={"Range": "bytes=0-9",
                                            "If-Range": condition.format(tag)})
    assert answer.status == status
    assert answer.body == (CONTENT[:10] if status == 206 else CONTENT)


def test_range_continues_only_the_same_content(owner, link):
    tag = owner.open_link(link).header("ETag")
    owner.put("file.bin", bytes(1000), {"Content-Type": "video/mp4"})
    answer = owner.open_link(link, headers={"Range": "bytes=500-", "If-Range": tag})
    assert (answer.status, answer.body) == (200, bytes(1000))


@pytest.mark.parametrize("fields,status", [
    ({"If-None-Match": "{}"}, 304), ({"If-None-Match": "*"}, 304), ({"If-None-Match": "W/{}"}, 304),
    ({"If-None-Match": '"x", {}'}, 304), ({"If-None-Match": '"x"'}, 200),
    ({"If-Modified-Since": FAR_AHEAD}, (200, 304)), ({"If-Modified-Since": LONG_AGO}, 200),
    ({"If-Modified-Since": "{date}"}, 304), ({"If-Match": '"x"'}, 412), ({"If-Match": "{}"}, 200),
    ({"If-Unmodified-Since": LONG_AGO}, 412),
    ({"If-None-Match": '"x"', "If-Modified-Since": "{date}"}, 200),
])
def test_conditional_get(owner, link, fields, status):
    for target in (link, area_path(owner.jid, "file.bin")):
        first = owner.request("GET", target)
        values = {name: value.format(first.header("ETag"), date=first.header("Last-Modified"))
                  for name, value in fields.items()}
        answer = owner.request("GET", target, headers=values)
        assert answer.status in (status if isinstance(status, tuple) else (status,))
        assert_safe_headers(answer)
        if answer.status == 304:
            assert answer.body == b""
            for name in ("ETag", "Content-Disposition", "Cache-Control"):
                assert answer.header(name) == first.header(name), name


@pytest.mark.parametrize("path,size_bytes", [("a.txt", 1000), ("empty", 0), ("big", 3 << 20)])
def test_head_has_the_fields_of_get_and_no_body(server, owner, path, size_bytes):
    link = owner.put(path, bytes(size_bytes), {"Content-Type": "text/plain"}).link
    for target in (link, area_path(owner.jid, path)):
        get, head = owner.request("GET", target), owner.request("HEAD", target)
        assert (head.status, head.body) == (200, b"")
        # httpd leaves a length of 0 out of answers to HEAD.
        differing = {"Date"} | (set() if size_bytes else {"Content-Length"})
        assert {name: value for name, value in get.headers.items() if name not in differing} \
            == {name: value for name, value in head.headers.items() if name not in differing}
        assert int(get.header("Content-Length")) == size_bytes


def test_head_ignores_ranges(owner, link):
    answer = owner.open_link(link, "HEAD", {"Range": "bytes=0-9"})
    assert answer.status in (200, 206)
    assert answer.body == b""


def test_entity_tag_is_strong_and_link_and_area_agree(owner, link):
    by_link, by_path = owner.open_link(link), owner.get("file.bin")
    assert by_link.header("ETag") == by_path.header("ETag")
    assert re.fullmatch(r'"[!#-~]+"', by_link.header("ETag"))
    assert by_link.header("Accept-Ranges") == "bytes"
    assert by_link.header("Last-Modified")


# What the uploader claims, what is served (None: application/octet-stream), inline?
TYPES = (
    ("image/jpeg", "image/jpeg", True), ("image/png", "image/png", True),
    ("image/gif", "image/gif", True), ("image/webp", "image/webp", True),
    ("IMAGE/PNG", "image/png", True), ("audio/mpeg", "audio/mpeg", True),
    ("audio/ogg", "audio/ogg", True), ("video/mp4", "video/mp4", True),
    ("video/webm", "video/webm", True), ("text/plain", "text/plain; charset=utf-8", True),
    ("text/plain; charset=iso-8859-1", "text/plain; charset=iso-8859-1", True),
    ("audio/ogg; codecs=opus", "audio/ogg; codecs=opus", True),
    ("text/html", "text/html", False),
    ("text/html; charset=utf-7", "text/html; charset=utf-7", False),
    ("application/xhtml+xml", "application/xhtml+xml", False), ("text/xml", "text/xml", False),
    ("application/xml", "application/xml", False), ("image/svg+xml", "image/svg+xml", False),
    ("image/svg+xml; charset=x", "image/svg+xml; charset=x", False),
    ("IMAGE/SVG+XML", "image/svg+xml", False), ("text/javascript", "text/javascript", False),
    ("application/javascript", "application/javascript", False), ("text/css", "text/css", False),
    ("application/json", "application/json", False),
    ("application/wasm", "application/wasm", False),
    ("message/rfc822", "message/rfc822", False), ("application/pdf", "application/pdf", False),
    ("multipart/mixed; boundary=x", "multipart/mixed; boundary=x", False),
    ("application/octet-stream", None, False), ("application/x-unknown", "application/x-unknown",
                                                False),
    ("application/vnd.a+xml", "application/vnd.a+xml", False),
    ("image/png, text/html", None, False), ("image/png text/html", None, False),
    ("image", None, False), ("/png", None, False), ("image/", None, False), ("", None, False),
    ("*/*", None, False), ("image/*", None, False), ("image/png/x", None, False),
    ("image /png", None, False), ("image/png\tx", None, False), ("<script>/x", None, False),
    ("image/pn\u00e9", None, False), ("image/png; x", None, False),
    ("image/" + "x" * 300, None, False), ("text/plain;\"", None, False),
)


@pytest.mark.parametrize("claimed,served,is_inline", TYPES)
def test_type_and_disposition(owner, claimed, served, is_inline):
    answer = owner.put("name.html", b"<script>alert(1)</script>", {"Content-Type": claimed})
    assert answer.status == 201
    fields_of_states = ({}, {"Range": "bytes=0-3"}, {"If-None-Match": answer.header("ETag")},
                        {"Range": "bytes=99-"}, {"If-Match": '"x"'})
    answers = [owner.open_link(answer.link, headers=fields) for fields in fields_of_states]
    assert [got.status for got in answers] == [200, 206, 304, 416, 412]
    for got in answers:
        assert_safe_headers(got)
    for got in answers[:2]:
        assert got.header("Content-Type") == (served or "application/octet-stream")
    for got in answers[:4]:
        kind = got.header("Content-Disposition").partition(";")[0]
        assert kind == ("inline" if is_inline else "attachment")
    assert owner.listing()["files"][0]["content_type"].lower() \
        == (served or "application/octet-stream").replace("; charset=utf-8", "").lower()


def test_line_breaks_cannot_enter_through_the_type(server, owner):
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, "x"), "Content-Length: 1",
                               "Content-Type: image/png\rX-Evil: 1", client=owner) + b"x")
        assert wire.read_answer().status in (201, 400)
    answer = owner.get("x")
    assert answer.header("X-Evil") is None
    assert "Evil" not in (answer.header("Content-Type") or "")


# Name and the ASCII form in filename="…".
DISPOSITIONS = (
    ("plain.txt", "plain.txt"), ("with space.txt", "with space.txt"),
    ("Übersicht €.pdf", "_bersicht _.pdf"), ('say "hi".txt', "say _hi_.txt"),
    ("back\\slash", "back_slash"), ("100%41.txt", "100_41.txt"),
    ("it's;a=b,c.txt", "it's;a=b,c.txt"),
    ("日本.txt", "__.txt"), ("🎈", "_"), ("docs/inner.txt", "inner.txt"),
)
ATTR_CHAR = "[A-Za-z0-9!#$&+.^_`|~-]"  # RFC 8187, 3.2.1


@pytest.mark.parametrize("path,ascii_name", DISPOSITIONS)
def test_disposition_names_the_file_in_both_forms(owner, path, ascii_name):
    link = owner.put(path, b"x").link
    leaf = path.rpartition("/")[2]
    got_ascii, got_exact = re.fullmatch(
        rf"attachment; filename=\"([ -~]*)\"; filename\*=UTF-8''((?:{ATTR_CHAR}|%[0-9A-F]{{2}})+)",
        owner.open_link(link).header("Content-Disposition")).groups()
    assert re.sub("_+", "_", got_ascii) == re.sub("_+", "_", ascii_name)
    assert unquote(got_exact, errors="strict") == leaf


def test_charset_of_the_server_is_not_added_to_a_stored_type(start_server, users):
    server = start_server(Site(server_lines="AddDefaultCharset iso-8859-1"))
    owner = users.client(server)
    link = owner.put("x", b"x", {"Content-Type": "text/html"}).link
    assert owner.open_link(link).header("Content-Type") == "text/html"


HOSTILE_NAMES = (
    ("run.php", b"<?php echo 'executed'; ?>"), ("run.php.jpg", b"<?php echo 'executed'; ?>"),
    ("run.cgi", b"#!/bin/sh\necho; echo executed\n"),
    ("page.shtml", b'<!--#echo var="DATE_GMT" -->'),
    (".htaccess", b"Require all denied\nSetHandler server-status\n"), (".htpasswd", b"a:b"),
    ("archive.html.gz", b"\x1f\x8bnot really"), ("archive.tar.bz2", b"BZh"), ("index.html", b"<p>"),
    ("page.de", b"hallo"), ("text.latin1", b"\xe4"), ("x.var", b"URI: x\n"), ("sw.js", b"self"),
)


@pytest.mark.parametrize("name,content", HOSTILE_NAMES)
@pytest.mark.parametrize("claimed", ["application/octet-stream", "text/html"])
def test_name_decides_nothing(owner, name, content, claimed):
    link = owner.put(name, content, {"Content-Type": claimed}).link
    assert owner.put("other.txt", b"x").status == 201
    for answer in (owner.open_link(link), owner.get(name)):
        assert (answer.status, answer.body) == (200, content)
        assert answer.header("Content-Type") == claimed
        assert answer.header("Content-Encoding") is None
        assert answer.header("Content-Language") is None
        assert answer.header("Content-Disposition").startswith("attachment")
    # An uploaded .htaccess rules nothing, an index.html is no index.
    assert owner.get("other.txt").status == 200
    assert len(owner.listing()["files"]) == 2


@pytest.mark.parametrize("coding", ["gzip", "gzip, deflate, br", "*"])
def test_files_are_never_compressed(owner, coding):
    content = b"very compressible " * 10000
    link = owner.put("a.txt", content, {"Content-Type": "text/plain"}).link
    answer = owner.open_link(link, headers={"Accept-Encoding": coding})
    assert answer.header("Content-Encoding") is None
    assert answer.body == content
    assert not answer.header("ETag").endswith('-gzip"')


def test_cgi_is_on_in_this_server(server):
    """Else the tests above prove nothing."""
    script = server.root / "htdocs" / "probe.cgi"
    script.write_text("#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo executed\n")
    script.chmod(0o755)
    with Wire(server) as wire:
        wire.send(request_head("GET", "/probe.cgi"))
        assert wire.read_answer("GET").body == b"executed\n"


# How the bytes reach the socket depends on their number, on a rate and on EnableMMAP.
@pytest.mark.parametrize("lines", ["", "EnableMMAP Off", "JabberFilesRate 100M"])
def test_file_of_any_size_is_whole_and_in_ranges(start_server, users, lines):
    owner = users.client(start_server(Site(base_lines=lines)))
    for size_bytes in (16384, 16385, 262144, 262145, 5_000_000):
        content = os.urandom(size_bytes)
        link = owner.put(f"{size_bytes}", content).link
        assert owner.open_link(link).body == content
        part = owner.open_link(link, headers={"Range": f"bytes=3-{size_bytes - 4}"})
        assert (part.status, part.body) == (206, content[3:-3])


@pytest.mark.parametrize("size_bytes", [1 << 20, 50 << 20])
def test_large_file_comes_whole_and_in_parts(owner, size_bytes):
    block = hashlib.sha512(b"block").digest() * 1024
    content = block * (size_bytes // len(block)) + b"end"
    link = owner.put("large", content).link
    assert hashlib.sha256(owner.open_link(link).body).digest() == hashlib.sha256(content).digest()
    middle = size_bytes // 2
    part = owner.open_link(link, headers={"Range": f"bytes={middle}-{middle + 99_999}"})
    assert part.body == content[middle:middle + 100_000]


@pytest.fixture(scope="module")
def inline_server(fleet):
    made = fleet.prepare(Site(base_lines="JabberFilesInline application/pdf image/png"))
    made.start()
    yield made
    fleet.retire([made])


@pytest.mark.parametrize("media_type,is_inline", [
    ("application/pdf", True), ("application/pdf; version=2", True), ("Image/PNG", True),
    ("image/jpeg", False), ("text/plain", False), ("application/pdfx", False)])
def test_inline_list_of_the_operator_is_exact(inline_server, users, media_type, is_inline):
    owner = users.client(inline_server)
    link = owner.put("x", b"x", {"Content-Type": media_type}).link
    kind = owner.open_link(link).header("Content-Disposition").partition(";")[0]
    assert kind == ("inline" if is_inline else "attachment")
