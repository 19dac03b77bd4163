"""Tokens and secrets are nowhere but where they belong: in no log, no page, no answer, no file."""

import contextlib
import itertools
import re

import pytest

from client import JSON, Client
from config import Site
from curl import Curl
from jabber_site import files_with
from records import wait_until
from slots import (DELETE_KEY, KEYS, KINDS, ask_slot, grant, open_slot_service, secret_lines,
                   sign_delete, sign_jwt, signed, site_with_slots)
from wire import Wire, request_head

CONTENT = b"content"
SIZE_BYTES = len(CONTENT)
QUOTA_BYTES = 1000
MAX_FILE_BYTES = 2000
INVALID_PATH = "AH10244"  # httpd's own remark
# So much of a token would already help to guess, or to recognize it.
PIECE_CHARS = 12
LOGGED_SECONDS = 5

# All that a log may tell of a request's URL.
LOGS = """
LogFormat "%r|%m|%U|%q|%f|%H|%{Referer}i|%>s" everything
CustomLog logs/everything.log everything
LogLevel debug auth_basic:crit jabberfiles:trace8
"""


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, base_lines="JabberFilesSlotService On\n"
                     f"JabberFilesQuota {QUOTA_BYTES}\nJabberFilesMaxFileSize {MAX_FILE_BYTES}\n",
                     inner_lines=open_slot_service(), server_lines=LOGS)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def number(counter=itertools.count()):
    return next(counter)


def pieces(slot):
    """What must not be written down of a slot's token."""
    found = []
    if slot.query:
        found.append(slot.query.partition("=")[2])
    if slot.authorization:
        # The header is the same for all, and its beginning that of all JSON.
        found += slot.authorization.partition(".")[2].split(".")
    return [piece[start:start + PIECE_CHARS] for piece in found
            for start in (0, len(piece) // 2, len(piece) - PIECE_CHARS) if len(piece) > 5]


def log_lines(server, word):
    """The lines of the log that has everything with a word in them."""
    path = server.root / "logs" / "everything.log"
    return [line for line in path.read_text("utf-8", "replace").splitlines() if word in line]


def assert_nowhere(server, texts, *answers):
    """No text is in a file of the server, in a page about it, or in an answer."""
    nobody = Client(server)
    pages = [nobody.request("GET", path).body for path in ("/server-status", "/server-status?auto")]
    shown = [part for answer in answers
             for part in (answer.body, str(answer.headers).encode("utf-8", "surrogateescape"))]
    for text in texts:
        assert files_with(text, server.root) == [], text
        assert not [page for page in pages + shown if text.encode() in page], text


@contextlib.contextmanager
def kept_secret(server, slot, texts=None):
    """Yields a list for the answers to requests in the block, which leave no token of the slot,
    or none of the texts. They are logged when the client has its answer already."""
    answers, logged = [], len(log_lines(server, slot.random))
    yield answers
    wait_until(lambda: len(log_lines(server, slot.random)) >= logged + len(answers),
               LOGGED_SECONDS * server.env.patience, "a request is not logged")
    # TRACE says back what came: that is its purpose.
    shown = [answer for answer in answers if answer.header("Content-Type") != "message/http"]
    assert_nowhere(server, texts or pieces(slot), *shown)


def short(kind, number, size_bytes=SIZE_BYTES, **more):
    """A slot whose token begins early in the URL: mod_status shows 63 characters of a request."""
    return grant(kind, size_bytes, "a", random=f"{kind}{number}", **more)


# Every way in which an upload can end


def outcomes(kind, number):
    """Slot, content, more fields, status; by name."""
    slots = {name: short(kind, f"{number}{index}", size_bytes, jid=f"erin{number}@example.org")
             for index, (name, size_bytes) in enumerate((
                 ("created", SIZE_BYTES), ("too large", MAX_FILE_BYTES + 17),
                 ("over quota", QUOTA_BYTES + 1), ("another size", SIZE_BYTES + 1),
                 ("range", SIZE_BYTES), ("coded", SIZE_BYTES), ("wrong digest", SIZE_BYTES),
                 ("wrong secret", SIZE_BYTES), ("twice", SIZE_BYTES)))}
    wrong = signed(slots["wrong secret"], kind, b"another secret")
    twice = slots["twice"]
    twice = twice.but(query=f"{twice.query}&{twice.query}") if twice.query \
        else twice.but(authorization=f"{twice.authorization}.x")
    return (
        (slots["created"], CONTENT, {}, (201,)), (slots["created"], CONTENT, {}, (409,)),
        (slots["too large"], bytes(MAX_FILE_BYTES + 17), {}, (413,)),
        (slots["over quota"], bytes(QUOTA_BYTES + 1), {}, (507,)),
        (slots["another size"], CONTENT, {}, (400, 403)),
        (slots["range"], CONTENT, {"Content_Range": "bytes 0-6/9"}, (400,)),
        (slots["coded"], CONTENT, {"Content_Encoding": "gzip"}, (415,)),
        (slots["wrong digest"], CONTENT, {"Repr_Digest": "sha-256=:" + "A" * 43 + "=:"}, (400,)),
        (wrong, CONTENT, {}, (403,)), (twice, CONTENT, {}, (403,)),
        (slots["created"].but(name="b", encoded="b"), CONTENT, {}, (403,)),
    )


def test_tokens_of_uploads_are_nowhere(server, nobody, kind, number):
    for slot, content, fields, statuses in outcomes(kind, number):
        with kept_secret(server, slot) as answers:
            answers += [slot.put(nobody, content, **fields, **accept) for accept in ({}, JSON)]
            assert answers[0].status in statuses


def test_the_search_would_find_it(server, nobody, number):
    """The logs were searched, and nothing but the query was cut."""
    slot = short("v1", number)
    assert slot.put(nobody, CONTENT).status == 201
    assert nobody.request("GET", f"/ready.txt?{slot.query}").status == 200
    wait_until(lambda: log_lines(server, "/ready.txt?v="), LOGGED_SECONDS, "not logged")
    assert log_lines(server, slot.target) == [
        f"PUT {slot.target} HTTP/1.1|PUT|{slot.target}||jabberfiles:/files|HTTP/1.1|-|201"]
    assert f'"PUT {slot.target} HTTP/1.1" 201' in (server.root / "logs" / "access.log").read_text()
    found = files_with(pieces(slot)[0], server.root)
    assert {path.name for path in found} == {"access.log", "everything.log"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE", "PATCH", "TRACE",
                                    "NONSENSE"])
def test_tokens_of_other_methods_are_nowhere(server, nobody, kind, number, method, log):
    log.allow("AH00135")
    slot = short(kind, number)
    with kept_secret(server, slot) as answers:
        answers += [nobody.request(method, slot.put_target, None, {**slot.fields(), **accept})
                    for accept in ({}, JSON)]


@pytest.mark.parametrize("kind", ["v1", "v2", "token"])
@pytest.mark.parametrize("target", [
    "/files/{r}/a%01b", "/files/{r}/a%2fb", "/files/{r}/%zz", "/files/{r}/%00", "/files/{r}",
    "/files/{r}/", "/files/", "/files", "/files/{r}/a/b/c/d", "/files/{r}/..", "/files/a@b/{r}",
    "/files/erin@example.org/{r}", "//files/{r}/a", "/files//{r}/a", "/files/./{r}/a",
    "/%66iles/{r}/a", "http://127.0.0.1/files/{r}/a", "/files/{r}/" + "a" * 300,
    "/files/%FF/{r}", "/./files/{r}/a", "/x/../files/{r}/a"])
def test_token_is_nowhere_though_the_path_is_odd(server, kind, number, target, log):
    log.allow(INVALID_PATH)
    slot = short(kind, number)
    answers = []
    for accept in ("*/*", "application/json"):
        with Wire(server) as wire:
            wire.send(request_head("PUT", f"{target.format(r=slot.random)}?{slot.query}",
                                   f"Content-Length: {SIZE_BYTES}", f"Accept: {accept}",
                                   "Connection: close") + CONTENT)
            answers.append(wire.read_answer())
            # Then it is logged, too.
            assert wire.is_closed()
    assert_nowhere(server, pieces(slot), *answers)


@pytest.mark.parametrize("query", ["v=&{q}", "x=1&{q}", "{q}&x=1", "{q}?{q}", "{q};{q}",
                                   "{q}%00", "&{q}", "a&{q}", "%76={t}&{q}", "{q}=", "{q}&{q}"])
def test_token_is_nowhere_though_the_query_is_odd(server, nobody, number, query):
    slot = short("v1", number)
    target = f"{slot.target}?{query.format(q=slot.query, t=slot.query[2:])}"
    with kept_secret(server, slot) as answers:
        answers.append(nobody.request("PUT", target, CONTENT, JSON))


# Name, what follows the path and query, and the rest of the head.
MALFORMED = {
    "no host": (" HTTP/1.1", "Content-Length: 7\r\n"),
    "bad field": (" HTTP/1.1", "Host: a\r\nbroken field\r\nContent-Length: 7\r\n"),
    "bad length": (" HTTP/1.1", "Host: a\r\nContent-Length: 7x\r\n"),
    "expectation": (" HTTP/1.1", "Host: a\r\nExpect: miracles\r\nContent-Length: 7\r\n"),
    "fragment": ("#x HTTP/1.1", "Host: a\r\nContent-Length: 7\r\n"),
    "bad version": (" HTTP/x", "Host: a\r\nContent-Length: 7\r\n"),
    "blank": (" x HTTP/1.1", "Host: a\r\nContent-Length: 7\r\n"),
    "huge field": (" HTTP/1.1", f"Host: a\r\nX: {'x' * 9000}\r\n"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_token_is_nowhere_though_httpd_refuses_the_request(server, number, case):
    """Before any module has seen it; it is logged all the same."""
    slot = short("v1", number)
    end, fields = MALFORMED[case]
    with Wire(server) as wire:
        wire.send(f"PUT {slot.put_target}{end}\r\n{fields}\r\n".encode() + CONTENT)
        answer = wire.read_answer()
        assert answer.status >= 400
    wait_until(lambda: log_lines(server, slot.random), LOGGED_SECONDS, "not logged")
    assert_nowhere(server, pieces(slot), answer)


def test_token_is_nowhere_though_the_head_has_no_end(server, number):
    slot = short("v1", number)
    with Wire(server) as wire:
        wire.send(f"PUT {slot.put_target} HTTP/1.1\r\nHost: a\r\n".encode())
        assert wire.is_silent(0.2)
        assert_nowhere(server, pieces(slot))
        wire.reset()
    wait_until(lambda: log_lines(server, slot.random), LOGGED_SECONDS, "not logged")
    assert_nowhere(server, pieces(slot))


def test_token_is_nowhere_with_http_1_0(server, number):
    slot = short("v1", number)
    with kept_secret(server, slot) as answers, Wire(server) as wire:
        wire.send(request_head("PUT", slot.put_target, f"Content-Length: {SIZE_BYTES}",
                               version="HTTP/1.0") + CONTENT)
        answers.append(wire.read_answer())
        assert answers[0].status == 201
    assert f'"PUT {slot.target} HTTP/1.0" 201' in (server.root / "logs" / "access.log").read_text()


def test_token_for_deleting_is_nowhere(server, nobody, number):
    slot = short("token", number)
    slot.put(nobody, CONTENT)
    right, wrong = sign_delete(slot.path), sign_delete(slot.path, delete_key=b"another")
    for token, status in ((wrong, 403), (right, 204), (right, 404)):
        with kept_secret(server, slot, (token[:PIECE_CHARS], token[-PIECE_CHARS:])) as answers:
            answers.append(nobody.request("DELETE", f"{slot.target}?token={token}", headers=JSON))
            assert answers[0].status == status


@pytest.mark.parametrize("changes", [
    {"exp": 1}, {"sub": "secretive@evil.example"}, {"filetype": 5}, {"filename": "other"},
    {"exp": "soon"}, {"filesize": "many"}], ids=repr)
def test_parts_of_a_bad_jwt_are_nowhere(server, nobody, number, changes):
    slot = signed(short("jwt", number), "jwt", **changes)
    with kept_secret(server, slot) as answers:
        answers.append(slot.put(nobody, CONTENT, **JSON))
        assert answers[0].status == 403


@pytest.mark.parametrize("payload", ['{"secretive-json":', "secretive-json", '["secretive-json"]'])
def test_broken_jwt_is_not_quoted(server, nobody, number, payload):
    slot = short("jwt", number).but(authorization=f"Bearer {sign_jwt(payload)}")
    with kept_secret(server, slot, [*pieces(slot), "secretive-json"]) as answers:
        answers.append(slot.put(nobody, CONTENT, **JSON))
        assert answers[0].status == 403


def test_long_garbage_is_not_quoted(server, nobody, number):
    garbage = "Zm9vYmFyYmF6cXV4" * 20
    for slot in (short("v1", number).but(query=f"v={garbage}"),
                 short("jwt", number).but(authorization=f"Bearer {garbage}")):
        with kept_secret(server, slot, [garbage[:PIECE_CHARS]]) as answers:
            answers.append(slot.put(nobody, CONTENT, **JSON))
            assert answers[0].status == 403


# While it runs


def test_status_page_during_an_upload_shows_the_path_alone(server, nobody, kind, number):
    slot = short(kind, number)
    with kept_secret(server, slot) as answers, Wire(server) as wire:
        wire.send(slot.head(SIZE_BYTES, "Expect: 100-continue"))
        assert wire.read_answer().status == 100
        wire.send(CONTENT[:-1])
        page = nobody.request("GET", "/server-status").text
        assert f"PUT {slot.target} HTTP/1.1" in page
        assert_nowhere(server, pieces(slot))
        wire.send(CONTENT[-1:])
        answers.append(wire.read_answer())
        assert answers[0].status == 201


def test_upload_that_breaks_off_leaves_no_token(server, kind, number, log):
    slot = short(kind, number)
    with Wire(server) as wire:
        wire.send(slot.head(SIZE_BYTES) + CONTENT[:-1])
        wire.reset()
    log.wait_for("JF0030")
    wait_until(lambda: log_lines(server, slot.random), LOGGED_SECONDS, "not logged")
    assert_nowhere(server, pieces(slot))


# Secrets, and what else is none of the logs' business


def test_secrets_are_nowhere(server, nobody, number):
    for kind in KINDS:
        short(kind, f"{number}s").put(nobody, CONTENT)
    assert_nowhere(server, [key.decode() for key in (*KEYS.values(), DELETE_KEY)])


def test_question_for_a_slot_reveals_no_slot(server, nobody, owner):
    """Until it is used, the URL of a granted slot is a secret: the answer alone has it."""
    slot = ask_slot(nobody, owner.jid, SIZE_BYTES)
    for path in (server.root / "logs").iterdir():
        assert slot.random not in path.read_text("utf-8", "replace")
    page = nobody.request("GET", "/server-status").text
    assert slot.random not in page


def test_area_in_the_log_is_the_users_name(nobody, owner, log):
    """What the operator needs is there: whose upload it was."""
    grant("jwt", SIZE_BYTES, jid=owner.jid).put(nobody, CONTENT)
    log.wait_for(re.escape(f"{owner.jid}/chat/"))
    grant("v1", SIZE_BYTES).put(nobody, CONTENT)
    log.wait_for("slots:v1/chat/")


def test_tokens_are_nowhere_over_http_2(start_server, work_dir, certs, number):
    server = start_server(Site(certificates=certs, http2=True, server_lines=LOGS,
                               base_lines=secret_lines(work_dir)))
    curl = Curl(server)
    for kind in KINDS:
        slot = short(kind, number)
        fields = [word for name, value in slot.fields().items()
                  for word in ("-H", f"{name}: {value}")]
        with kept_secret(server, slot) as answers:
            answers.append(curl("--http2", *fields, "-X", "PUT", "--data-binary", "@-",
                                slot.put_target, body=CONTENT))
            assert (answers[0].version, answers[0].status) == ("HTTP/2", 201)


def test_other_queries_are_left_alone(server, nobody, owner):
    """An operator's log of other requests stays as it is."""
    owner.put("a", b"x")
    assert owner.listing(query="?after=some-name")["files"] == []
    assert nobody.request("GET", "/ready.txt?v=12345678").status == 200
    wait_until(lambda: log_lines(server, "|?v=12345678|"), LOGGED_SECONDS, "not logged")
    wait_until(lambda: log_lines(server, "|?after=some-name|"), LOGGED_SECONDS, "not logged")
