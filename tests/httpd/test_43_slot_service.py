"""BASE/.slot, where ejabberd asks for slots (service_url): what is promised, and to whom."""

import re
import time

import pytest

from admin import ledger_editor
from answer import assert_problem, assert_safe_headers
from client import JSON, TIME_CHARS, Client
from config import Site, base_location
from records import Records, wait_until
from slots import (OCTETS, Slot, ask_slot, assert_refused_before_its_body, assert_settled,
                   encode_aiohttp, encode_ejabberd, encode_libsoup, nothing_changes,
                   open_slot_service, slot_query, stored_type, upload, wait_for_uploads_to_end)
from wire import Wire

CONTENT = b"0123456789"
SIZE_BYTES = len(CONTENT)
QUOTA_BYTES = 1_000_000
MAX_FILE_BYTES = 800_000
SWEPT_SECONDS = 25


@pytest.fixture(scope="module")
def site(users):
    on = "JabberFilesSlotService On\n"
    bases = {"/closed": on, "/off": "", "/wide": on,
             "/elsewhere": on + "JabberFilesBaseURL https://cdn.example.net/up\n"}
    opened = ("/files", "/off", "/wide", "/elsewhere")
    return Site(domains=("example.org", "montague.tld"),
                base_lines=on + f"JabberFilesQuota {QUOTA_BYTES}\n"
                                f"JabberFilesMaxFileSize {MAX_FILE_BYTES}\n",
                inner_lines="".join(map(open_slot_service, opened)),
                server_lines="".join(base_location(path, users.path, lines)
                                     for path, lines in bases.items()))


@pytest.fixture
def ask(nobody, owner):
    """Asks for a slot in the name of `owner`."""
    return lambda size_bytes=SIZE_BYTES, *args, **more: ask_slot(nobody, owner.jid, size_bytes,
                                                                 *args, **more)


@pytest.fixture
def edit(server):
    return ledger_editor(server)


# The question and the answer


@pytest.mark.valgrind
def test_answer_has_two_lines_with_the_urls(server, nobody, owner):
    query = slot_query(owner.jid, "a.jpg", SIZE_BYTES)
    answer = nobody.request("GET", f"/files/.slot?{query}")
    assert answer.status == 200
    assert answer.header("Content-Type").partition(";")[0] == "text/plain"
    assert answer.header("Cache-Control") == "no-store"
    form = re.escape(server.url("/files/")) + r"[\w-]{22,}/a\.jpg"
    assert re.fullmatch(f"({form})\n({form})\n?", answer.text)
    assert_safe_headers(answer)


def kept(name):
    """The name of the file: what no URL can have as it is becomes "_", as in ejabberd's own."""
    return re.sub(r"""[ "#%/<>?\[\\\]^`{|}]""", "_", name)


def test_exact_question_of_ejabberd(server, nobody, records):
    answer = nobody.request(
        "GET", "/wide/.slot?jid=romeo%40montague.tld&name=tr%C3%A8s%20cool%2B100%25%7Ea%27b%26c"
               "%3Dd.jpg&size=23456&content_type=text/plain%3B%20charset%3Dutf-8")
    put_url, get_url = answer.text.rstrip("\n").split("\n")
    name = "très_cool+100_~a'b&c=d.jpg"
    assert put_url == get_url and put_url.rpartition("/")[2] == name
    slot = Slot(23456, name, "text/plain; charset=utf-8", random=put_url.split("/")[-2],
                encoded=encode_ejabberd(name), base="/wide")
    content = bytes(23456)
    assert upload(server, slot, content).status == 201
    got = nobody.request("GET", slot.target)
    assert (got.body, got.header("Content-Type")) == (content, "text/plain; charset=utf-8")
    (jid, path), = records.query("SELECT jid, path FROM file JOIN area ON area.id = area_id"
                                 " WHERE size_bytes = 23456")
    assert (jid, path.split("/", 3)[3]) == ("romeo@montague.tld", name)


def test_file_is_in_the_list_of_who_was_named(server, nobody, owner, ask):
    slot = ask()
    answer = slot.put(nobody, CONTENT)
    assert answer.status == 201
    assert answer.text == server.url(slot.target) + "\n"
    assert answer.header("Location") == server.url(slot.target)
    listing = owner.listing()
    entry, = listing["files"]
    assert entry["link"] == server.url(slot.target)
    assert re.fullmatch(r"chat/\d{4}-\d\d-\d\d/\d{6}-[0-9a-f]{16}/photo\.jpg", entry["path"])
    assert (entry["size_bytes"], entry["content_type"]) == (SIZE_BYTES, "image/jpeg")
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (SIZE_BYTES, 0)
    assert owner.delete(entry["path"]).status == 204
    assert nobody.request("GET", slot.target).status == 404


def test_jid_is_prepared(nobody, owner):
    slot = ask_slot(nobody, owner.jid.upper(), SIZE_BYTES)
    assert slot.put(nobody, CONTENT).status == 201
    assert owner.used_bytes() == SIZE_BYTES


def test_urls_are_unguessable_and_do_not_name_the_user(owner, ask):
    tokens = {ask().random for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"[\w-]{28}", token) for token in tokens)
    assert all(len(set(column)) > 1 for column in zip(*(token[TIME_CHARS:] for token in tokens)))
    assert owner.jid.partition("@")[0] not in ask().target


def test_urls_are_below_the_base_url(nobody, owner):
    query = slot_query(owner.jid, "a.jpg", SIZE_BYTES)
    lines = nobody.request("GET", f"/elsewhere/.slot?{query}").text.split()
    assert lines[0] == lines[1]
    assert re.fullmatch(r"https://cdn\.example\.net/up/[\w-]{22,}/a\.jpg", lines[0])
    local = lines[0].replace("https://cdn.example.net/up", "/elsewhere")
    assert nobody.request("PUT", local, CONTENT).status == 201


@pytest.mark.parametrize("name", ["a b+c%.txt", "what?#&=.txt", "%2f", "%41", "日本語 写真.png",
                                  "...", "é" * 127, "\"';\\", "a" * 255, ".slot", "x@y",
                                  "<b>[1]{2}^`|.html", "a:b,c;d", "~!$'()*"])
@pytest.mark.parametrize("encode", [str, encode_ejabberd, encode_libsoup, encode_aiohttp])
def test_url_is_the_same_encoded_or_not(server, nobody, owner, ask, name, encode):
    """ejabberd 23.01 encodes what it is answered, later ones do not, clients do as they like."""
    slot = ask(SIZE_BYTES, name)
    assert slot.encoded == kept(name)
    slot = slot.but(encoded=encode(slot.encoded))
    answer = upload(server, slot, CONTENT)
    assert answer.status == 201
    assert answer.header("Location").isascii()
    assert nobody.request("GET", answer.header("Location")).body == CONTENT
    assert owner.listing()["files"][0]["path"].split("/", 3)[3] == kept(name)


# Who may ask


def test_service_is_closed_until_it_is_opened(server, nobody, owner, log):
    log.expect("AH01630")
    query = slot_query(owner.jid, "a.jpg", SIZE_BYTES)
    with nothing_changes(server):
        for client in (nobody, owner):
            answer = client.request("GET", f"/closed/.slot?{query}", headers=JSON)
            assert_problem(answer, 403)
            assert answer.header("WWW-Authenticate") is None


def test_service_is_nowhere_by_default(server, nobody, owner):
    with nothing_changes(server):
        for client in (nobody, owner):
            answer = client.request("GET", f"/off/.slot?{slot_query(owner.jid, 'a', 1)}")
            assert answer.status == 404
            assert client.request("PUT", "/off/.slot", b"x").status == 405
    assert Slot(1, random="a", encoded="b", base="/off").put(nobody, b"x").status == 405


def test_slots_of_a_closed_service_are_used_all_the_same(nobody, ask):
    """Only the question is guarded: the upload comes from anywhere."""
    slot = ask().but(base="/closed")
    assert slot.put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "HEAD", "PATCH", "PROPFIND"])
def test_other_methods_are_405(server, nobody, owner, method):
    target = f"/files/.slot?{slot_query(owner.jid, 'a.jpg', SIZE_BYTES)}"
    with nothing_changes(server):
        answer = nobody.request(method, target, CONTENT if method != "HEAD" else None)
        assert answer.status == 405
        assert "GET" in answer.header("Allow") and "PUT" not in answer.header("Allow")


# Single use


def test_slot_is_for_one_upload(server, nobody, owner, ask):
    slot = ask()
    for method in ("GET", "HEAD"):
        assert nobody.request(method, slot.target).status == 404
    assert slot.put(nobody, CONTENT).status == 201
    assert slot.put(nobody, CONTENT).status == 409
    assert_refused_before_its_body(server, slot, 409)
    owner.delete(owner.listing()["files"][0]["path"])
    assert slot.put(nobody, CONTENT).status == 409
    assert nobody.request("GET", slot.target).status == 404


def test_slot_stays_used_when_its_file_has_expired(nobody, edit, ask):
    slot = ask()
    slot.put(nobody, CONTENT)
    edit("UPDATE file SET expires_us = 1 WHERE token = ?", slot.random)
    assert nobody.request("GET", slot.target).status == 404
    assert slot.put(nobody, CONTENT).status == 409


def test_upload_that_broke_off_can_be_repeated(server, nobody, owner, ask):
    slot = ask()
    for _ in range(3):
        with Wire(server) as wire:
            wire.send(slot.head(SIZE_BYTES) + CONTENT[:5])
            wire.reset()
    assert slot.put(nobody, CONTENT).status == 201
    assert_settled(server)
    listing = owner.listing()
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (SIZE_BYTES, 0)


# What does not fit the slot


@pytest.mark.parametrize("content", [b"", b"x", CONTENT[:-1], CONTENT + b"x"])
def test_another_size_is_400_before_its_body(server, nobody, ask, content):
    slot = ask()
    with nothing_changes(server):
        assert slot.put(nobody, content).status == 400
        assert_refused_before_its_body(server, slot.but(size_bytes=len(content)), 400)
    assert slot.put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("sent,status", [
    ("image/png", 403), ("text/html", 403), ("text/html; charset=utf-8", 403),
    ("image/jpeg", 201), ("IMAGE/JPEG; q=1", 201), (OCTETS, 201), (None, 201)])
def test_another_type_is_403(nobody, records, ask, sent, status):
    slot = ask()
    assert slot.put(nobody, CONTENT, Content_Type=sent).status == status
    if status == 403:
        assert slot.put(nobody, CONTENT).status == 201
    assert stored_type(records, slot) == "image/jpeg"


@pytest.mark.parametrize("encoded", ["other.jpg", "Photo.jpg", "photo.jpg%20", "photo.jp", ".slot"])
def test_another_name_is_403(server, nobody, ask, encoded):
    slot = ask()
    with nothing_changes(server):
        assert slot.but(encoded=encoded).put(nobody, CONTENT).status in (403, 404)
    assert slot.put(nobody, CONTENT).status == 201


def test_unknown_slot_is_403(server, nobody):
    with nothing_changes(server):
        for random in ("A" * 22, "a", "a/b"):
            assert Slot(1, random=random, encoded="x").put(nobody, b"x").status == 403


def test_length_must_be_there(server, nobody, ask):
    slot = ask()
    with nothing_changes(server):
        answer = nobody.request("PUT", slot.target, iter([CONTENT]),
                                {"Transfer-Encoding": "chunked"}, chunked=True)
        assert answer.status == 411
    assert slot.put(nobody, CONTENT).status == 201


# Promised bytes


def uploads_in_flight(server):
    return Records(server).query("SELECT object FROM reservation WHERE instance <> ''")


def test_bytes_are_promised_until_the_slot_is_used(server, nobody, owner, ask):
    slot = ask(600_000)
    listing = owner.listing()
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (0, 600_000)
    with nothing_changes(server):
        assert ask(600_000).status == 402
        assert owner.put("own", bytes(600_000)).status == 507
    assert owner.put("own", bytes(400_000)).status == 201
    # The area is full now, but what was promised is there.
    assert ask(1).status == 402
    assert slot.put(nobody, bytes(600_000)).status == 201
    listing = owner.listing()
    assert (listing["used_bytes"], listing["reserved_bytes"]) == (1_000_000, 0)


def test_upload_by_a_slot_counts_once_while_it_runs(server, owner, ask):
    slot = ask(600_000)
    with Wire(server) as wire:
        wire.send(slot.head(600_000, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        assert owner.listing()["reserved_bytes"] == 600_000
        assert owner.put("own", bytes(400_001)).status == 507
        assert owner.put("own", bytes(400_000)).status == 201
        wire.send(bytes(600_000))
        assert wire.read_answer().status == 201
    assert owner.used_bytes() == 1_000_000
    assert owner.listing()["reserved_bytes"] == 0


def test_promise_outlives_an_upload_that_breaks_off(server, owner, ask, nobody):
    slot = ask(600_000)
    with Wire(server) as wire:
        wire.send(slot.head(600_000) + bytes(300_000))
        wait_until(lambda: uploads_in_flight(server), 10, "the upload has not begun")
        wire.reset()
    wait_for_uploads_to_end(server)
    assert owner.listing()["reserved_bytes"] == 600_000
    assert ask(600_000).status == 402
    assert slot.put(nobody, bytes(600_000)).status == 201


def test_promise_goes_when_the_slot_expires(server, nobody, owner, edit, ask):
    late, in_time = ask(600_000), ask(400_000)
    lives_us, = Records(server).query("SELECT expires_us FROM slot WHERE token = ?", late.random)[0]
    assert 290 < lives_us / 10**6 - time.time() <= 300
    with Wire(server) as wire:
        wire.send(in_time.head(400_000, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        for slot in (late, in_time):
            edit("UPDATE slot SET expires_us = ? WHERE token = ?",
                 int(time.time() - 1) * 10**6, slot.random)
        assert late.put(nobody, bytes(600_000)).status == 403
        wait_until(lambda: owner.listing()["reserved_bytes"] == 400_000, SWEPT_SECONDS,
                   "not the promise of the late one, and only that, goes")
        assert late.put(nobody, bytes(600_000)).status == 403
        # An upload that began in time may end later.
        wire.send(bytes(400_000))
        assert wire.read_answer().status == 201
    assert (owner.used_bytes(), owner.listing()["reserved_bytes"]) == (400_000, 0)
    assert ask(600_000).put(nobody, bytes(600_000)).status == 201


def test_status_page_does_not_take_slots_for_uploads(nobody, ask):
    def in_flight():
        page = nobody.request("GET", "/server-status?auto").text
        return int(re.search(r"JabberFilesUploadsInFlight: (\d+)", page)[1])

    ask()
    assert in_flight() == 0


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_slot_survives_the_server(start_server, site, users, end):
    server = start_server(site)
    owner, nobody = users.client(server), Client(server)
    used, slot = (ask_slot(nobody, owner.jid, 300_000) for _ in range(2))
    assert used.put(nobody, bytes(300_000)).status == 201
    with Wire(server) as wire:
        wire.send(slot.head(300_000) + bytes(299_999))
        wait_until(lambda: uploads_in_flight(server), 10, "the upload has not begun")
        owner.close()
        nobody.close()
        if end == "kill":
            server.kill()
    if end == "stop":
        server.stop()
    server.start()
    assert used.put(nobody, bytes(300_000)).status == 409
    assert slot.put(nobody, bytes(300_000)).status == 201
    wait_until(lambda: not uploads_in_flight(server), 60, "the promise of the dead is left")
    assert (owner.used_bytes(), owner.listing()["reserved_bytes"]) == (600_000, 0)
