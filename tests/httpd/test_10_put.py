"""PUT: what is stored, under which name, and what the answer says."""

import re
from urllib.parse import quote, unquote

import pytest

from answer import assert_safe_headers
from client import TIME_CHARS, Client, area_path
from config import Site, base_location
from curl import Curl

SIZES_BYTES = (0, 1, 8191, 8192, 65535, 65536, 65537, 1048577)

# Paths as people and programs name files; each must come back byte for byte.
GOOD_PATHS = (
    "report.pdf", "no extension", ".hidden", "-rf", "--", "a" * 255, "é" * 127, "CON", "nul.txt",
    "Übersicht 2026.pdf", "U\u0308bersicht.pdf", "日本語.txt", "🎈.png", "a+b.txt", "100%.txt",
    "%41.txt", "%2e%2e", "a&b=c;d,e.txt", "what?.txt", "#1.txt", 'say "hi".txt', "it's.txt",
    "<b>bold<b>.html", "back\\slash.txt", "..\\x", "C:\\x", "C:x", "trailing.", "trailing ",
    " leading", "...", "..x", "x..", "a:b", "~root", "file.php", ".htaccess", "ledger.db",
    "docs/report.pdf", "a/b/c/d/e/f.txt", "docs/..x/y", "me@example.org", "x/me@example.org",
)

# Request targets below the area, already encoded; each must be refused, nothing stored.
BAD_TARGETS = (
    "a" * 256, quote("é" * 128), "x/" + "b" * 300, "%00", "a%00.txt", "a%0Ab", "a%0D%0AX-Evil:%201",
    "a%09b", "a%1Fb", "a%7Fb", "a%C2%80b", "a%C2%9Fb", "a%E2%80%A8b", "a%E2%80%A9b",
    "photo%E2%80%AEgpj.exe", "a%E2%80%AAb", "a%E2%81%A6b", "a%E2%81%A9b",
    "%FF.txt", "a%C3", "%C0%AF", "%C0%AE%C0%AE", "%E0%80%AF", "%ED%A0%80", "%F4%90%80%80",
    "%F8%88%80%80%80", "a%2Fb", "%2e%2e%2fx", "..%2Fx", "%", "%4", "%zz",
    "/".join(["d" * 250] * 17),
)

INVALID_PATH = "AH10244"  # httpd's own remark

# What httpd makes of dots before we see them: the target, the path that is stored (None: refused).
DOT_TARGETS = (
    ("./x1", "x1"), ("a/./x2", "a/x2"), ("a/../x3", "x3"), ("%2e/x4", "x4"), ("a/%2e%2e/x5", "x5"),
    ("a/b/../../x6", "x6"),
)

ESCAPING_TARGETS = ("../x", "../../x", "../../../etc/passwd", "%2e%2e/%2e%2e/x",
                    "a/../../../ready.txt")


@pytest.mark.valgrind
def test_curl_upload_prints_the_link_and_the_link_works(curl, curl_nobody, owner, tmp_path):
    content = bytes(range(256)) * 300
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    answer = curl("-T", photo, "-H", "Content-Type: image/jpeg", area_path(owner.jid))
    assert answer.status == 201
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.text == answer.link + "\n"
    assert answer.link.endswith("/photo.jpg")
    assert curl_nobody(answer.link).body == content
    assert curl(area_path(owner.jid, "photo.jpg")).body == content


def test_answer_of_a_creation_names_the_file_and_its_tag(server, owner):
    answer = owner.put("docs/plan b.txt", b"plan")
    assert answer.status == 201
    assert answer.header("Location").endswith("/docs/plan%20b.txt")
    assert unquote(answer.header("Location")) == server.url(f"/files/{owner.jid}/docs/plan b.txt")
    assert re.fullmatch(r'"[^"]+"', answer.header("ETag"))
    assert answer.header("ETag") == owner.get("docs/plan b.txt").header("ETag")
    assert_safe_headers(answer)


def test_replacing_keeps_the_link_and_changes_the_content(owner):
    created = owner.put("a.txt", b"old", {"Content-Type": "text/plain"})
    replaced = owner.put("a.txt", b"newer", {"Content-Type": "image/png"})
    assert (created.status, replaced.status) == (201, 200)
    assert replaced.link == created.link
    assert replaced.header("ETag") != created.header("ETag")
    answer = owner.open_link(created.link)
    assert answer.body == b"newer"
    assert answer.header("Content-Type") == "image/png"
    assert owner.used_bytes() == 5


def test_replacing_with_equal_content_gives_another_tag(owner):
    assert owner.put("a", b"same").header("ETag") != owner.put("a", b"same").header("ETag")


@pytest.mark.parametrize("size_bytes", SIZES_BYTES)
def test_every_size_comes_back_whole(owner, size_bytes):
    content = bytes(n * 7 % 251 for n in range(size_bytes))
    answer = owner.put("file.bin", content)
    assert answer.status == 201
    assert owner.open_link(answer.link).body == content
    assert owner.get("file.bin").body == content
    assert owner.used_bytes() == size_bytes


def test_put_without_length_is_an_empty_file(server, owner):
    connection = server.connect()
    connection.putrequest("PUT", area_path(owner.jid, "empty"))
    connection.putheader("Authorization", owner.authorization)
    connection.endheaders()
    assert connection.getresponse().status == 201
    assert owner.get("empty").body == b""
    assert owner.listing()["files"][0]["size_bytes"] == 0


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_good_names_round_trip(owner, path):
    answer = owner.put(path, path.encode())
    assert answer.status == 201, answer.text
    assert owner.get(path).body == path.encode()
    assert owner.open_link(answer.link).body == path.encode()
    assert answer.link.endswith("/" + quote(path.rpartition("/")[2], safe=""))
    listed = owner.listing()["files"]
    assert [entry["path"] for entry in listed] == [path]
    assert listed[0]["link"] == answer.link
    assert listed[0]["url"] == answer.header("Location")
    assert owner.request("GET", listed[0]["url"]).body == path.encode()
    assert owner.delete(path).status == 204


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_bad_names_are_refused_and_leave_nothing(owner, target, log):
    log.allow(INVALID_PATH)
    answer = owner.request("PUT", area_path(owner.jid) + target, b"bad")
    assert answer.status in (400, 404)
    assert answer.header("X-Evil") is None
    assert owner.listing()["files"] == []


@pytest.mark.parametrize("target,path", DOT_TARGETS)
def test_dot_segments_are_resolved_before_storing(owner, target, path):
    assert owner.request("PUT", area_path(owner.jid) + target, b"dots").status == 201
    assert [entry["path"] for entry in owner.listing()["files"]] == [path]


@pytest.mark.parametrize("target", ESCAPING_TARGETS)
def test_dot_segments_never_leave_the_area(server, owner, target, log):
    log.allow(INVALID_PATH)
    answer = owner.request("PUT", area_path(owner.jid) + target, b"escaped")
    assert answer.status in (400, 401, 403, 404, 405)
    assert owner.listing()["files"] == []
    assert not list(server.root.glob("**/x")) and not list(server.root.parent.glob("x"))


def test_two_names_that_look_alike_are_two_files(owner):
    for path in ("Übersicht", "U\u0308bersicht", "a", "A"):
        assert owner.put(path, path.encode()).status == 201
    assert owner.get("Übersicht").body == "Übersicht".encode()
    assert len(owner.listing()["files"]) == 4


def test_missing_content_type_is_octet_stream(owner):
    answer = owner.put("x.html", b"<p>")
    assert owner.open_link(answer.link).header("Content-Type") == "application/octet-stream"


def test_links_are_unguessable_and_do_not_name_the_user(owner):
    tokens = set()
    for number in range(50):
        link = owner.put(f"{number}.txt", b"x").link
        assert owner.jid.partition("@")[0] not in link and "@" not in link
        tokens.add(link.split("/")[-2])
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[\w-]{28}", token) for token in tokens)
    # 128 random bits behind the time: no position has the same character in all of 50 tokens.
    assert all(len(set(column)) > 1 for column in zip(*(token[TIME_CHARS:] for token in tokens)))


def test_link_needs_its_own_name(owner):
    link = owner.put("real.txt", b"x").link
    stem = link.rpartition("/")[0]
    for name in ("other.txt", "REAL.TXT", "real.txt/", "", "real.txt/more", "real.tx"):
        assert owner.open_link(f"{stem}/{name}").status == 404, name


@pytest.mark.parametrize("fields", [
    {"Content-Range": "bytes 0-3/10"},
    {"Content-Range": "bytes */10"},
    {"Content-Range": "nonsense"},
])
def test_content_range_is_400_and_keeps_the_old_content(owner, fields):
    owner.put("whole.txt", b"0123456789")
    assert owner.put("whole.txt", b"part", fields).status == 400
    assert owner.put("new.txt", b"part", fields).status == 400
    assert owner.get("whole.txt").body == b"0123456789"
    assert len(owner.listing()["files"]) == 1


@pytest.mark.parametrize("coding,status", [("gzip", 415), ("br", 415), ("gzip, identity", 415),
                                           ("identity", 201), ("Identity", 201)])
def test_content_encoding_other_than_identity_is_415(owner, coding, status):
    assert owner.put("x.gz", b"\x1f\x8b", {"Content-Encoding": coding}).status == status
    assert len(owner.listing()["files"]) == (status == 201)


def test_upload_is_visible_the_moment_201_arrives(owner):
    for number in range(30):
        answer = owner.put("same.txt", str(number).encode())
        assert owner.open_link(answer.link).body == str(number).encode()


def test_download_in_progress_keeps_the_old_content(server, owner):
    old = b"o" * (8 << 20)
    owner.put("big", old)
    connection = server.connect()
    connection.request("GET", area_path(owner.jid, "big"),
                       headers={"Authorization": owner.authorization})
    response = connection.getresponse()
    begin = response.read(1000)
    assert owner.put("big", b"n" * (8 << 20)).status == 200
    assert begin + response.read() == old
    assert owner.get("big").body == b"n" * (8 << 20)


def test_base_url_directive_names_the_links(start_server, users):
    server = start_server(Site(base_lines="JabberFilesBaseURL https://cdn.example.net/up"))
    owner = users.client(server)
    answer = owner.put("a b.txt", b"x")
    assert unquote(answer.header("Location")) \
        == f"https://cdn.example.net/up/{owner.jid}/a b.txt"
    assert re.fullmatch(r"https://cdn\.example\.net/up/[\w-]{22,}/a%20b\.txt", answer.link)
    entry = owner.listing()["files"][0]
    assert (entry["url"], entry["link"]) == (answer.header("Location"), answer.link)
    # The same token works below the real BASE.
    local = "/files" + answer.link.partition("/up")[2]
    assert Client(server).request("GET", local).body == b"x"


def test_links_name_the_host_that_was_asked(server, owner):
    answer = owner.put("x", b"x", {"Host": f"files.example.org:{server.port}"})
    assert answer.link.startswith(f"http://files.example.org:{server.port}/files/")


def test_base_may_be_the_root_of_the_site(start_server, users):
    server = start_server(Site(server_lines=base_location("/", users.path) + """
        <Location "/ready.txt">
            JabberFiles Off
            Require all granted
        </Location>"""))
    owner = users.client(server, base="")
    answer = owner.put("deep/x.txt", b"at the root")
    assert answer.status == 201
    assert unquote(answer.header("Location")) == server.url(f"/{owner.jid}/deep/x.txt")
    assert Curl(server)(answer.link).body == b"at the root"
