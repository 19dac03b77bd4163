"""Stock chat clients as they are: what they put on the wire, line by line, and browsers."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from answer import SECURITY_HEADERS
from client import Client
from slots import (OCTETS, assert_settled, encode_aiohttp, encode_libsoup, encode_prosody, grant,
                   grant_ejabberd, new_slot, nothing_changes, signed, site_with_slots)
from wire import Wire

NAME = "näme mit space & ü+.txt"
CONTENT = bytes(range(256)) * 1200
QUOTA_BYTES = 40 << 20
MAX_FILE_BYTES = 30 << 20
ORIGIN = "https://web.example.org"

# Name, version, how it writes a URL that it got, whether it knows slot headers, and its fields in
# order; what is in braces depends on the upload.
CLIENTS = (
    ("go-sendxmpp", "1.1", encode_prosody, True,
     ("Host: {host}", "User-Agent: Go-http-client/1.1", "Content-Length: {length}", "{login}",
      "Content-Type: {type}", "Accept-Encoding: gzip")),
    ("slixmpp, poezio", "1.1", encode_aiohttp, True,
     ("Host: {host}", "User-Agent: slixmpp 1.8.3", "Content-Length: {length}",
      "Content-Type: {type}", "{login}", "Accept: */*", "Accept-Encoding: gzip, deflate")),
    ("profanity", "1.1", encode_prosody, True,
     ("Host: {host}", "User-Agent: profanity", "Accept: */*", "Content-Type: {type}", "{login}",
      "Content-Length: {length}")),
    ("QXmpp", "1.1", encode_libsoup, True,
     ("Host: {host}", "{login}", "Content-Type: {type}", "Content-Length: {length}",
      "Connection: Keep-Alive", "Accept-Encoding: gzip, deflate", "Accept-Language: en,*",
      "User-Agent: Mozilla/5.0")),
    ("finch", "1.0", encode_prosody, False,
     ("Connection: close", "Host: localhost", "Content-Length: {length}", "Content-Type: {type}",
      "User-Agent: libpurple")),
    ("Gajim", "1.1", encode_libsoup, True,
     ("{login}", "Content-Type: {type}", "Content-Length: {length}",
      "Accept-Encoding: gzip, deflate, br", "User-Agent: Gajim 1.7.3", "Connection: Keep-Alive",
      "Host: {host}")),
    ("Dino", "1.1", encode_libsoup, True,
     ("Content-Type: {type}", "Content-Length: {length}", "{login}",
      "Accept-Encoding: gzip, deflate, br", "User-Agent: Dino/0.4.2 libsoup/3.2.3",
      "Connection: Keep-Alive", "Host: {host}")),
    ("libervia", "1.1", encode_prosody, False,
     ("Connection: close", "Content-Length: {length}", "User-Agent: Libervia", "Host: {host}")),
)
# What a slot was asked with; libervia asks with the type of the first and sends none.
TYPES = (OCTETS, "text/plain; charset=utf-8", "image/png")


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir, base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                                          f"JabberFilesMaxFileSize {MAX_FILE_BYTES}\n")


def client_head(client, server, slot):
    """The bytes of a client's request head."""
    _, version, _, _, fields = client
    values = {"host": f"localhost:{server.port}", "length": slot.size_bytes,
              "type": slot.content_type, "login": f"Authorization: {slot.authorization}"}
    lines = [field.format(**values) for field in fields
             if field != "{login}" or slot.authorization]
    return "\r\n".join([f"PUT {slot.put_target} HTTP/{version}", *lines, "", ""]).encode("ascii")


def kinds_of(client):
    return ("v1", "v2", "token", "ejabberd", "jwt") if client[3] \
        else ("v1", "v2", "token", "ejabberd")


def slot_for(client, kind, content_type):
    encode = client[2]
    if kind == "ejabberd":
        return grant_ejabberd(len(CONTENT), "erin", NAME, encode, content_type=content_type)
    return grant(kind, len(CONTENT), NAME, encode, content_type=content_type)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client[0])
def test_upload_of_a_stock_client_is_exactly_201(server, nobody, client):
    name, version = client[:2]
    types = TYPES if name != "libervia" else TYPES[:1]
    for kind, content_type in itertools.product(kinds_of(client), types):
        slot = slot_for(client, kind, content_type)
        with Wire(server) as wire:
            wire.send(client_head(client, server, slot) + CONTENT)
            answer = wire.read_answer()
            assert answer.status == 201, (kind, content_type, answer.text)
            assert answer.text.endswith(answer.header("Location").rpartition("/")[2] + "\n")
            if version == "1.0" or name == "libervia":
                assert wire.is_closed()
        assert nobody.request("GET", slot.target).body == CONTENT


def test_connection_of_a_client_is_kept_for_the_next_upload(server, nobody):
    keeping = [client for client in CLIENTS if client[0] in ("QXmpp", "Gajim", "Dino", "profanity")]
    with Wire(server) as wire:
        for client in keeping * 3:
            slot = slot_for(client, "v1", OCTETS)
            wire.send(client_head(client, server, slot) + CONTENT)
            assert wire.read_answer().status == 201
            assert nobody.request("GET", slot.target).body == CONTENT


def test_host_without_a_port_gives_a_link_that_names_it(server):
    finch = CLIENTS[4]
    slot = slot_for(finch, "v1", OCTETS)
    with Wire(server) as wire:
        wire.send(client_head(finch, server, slot) + CONTENT)
        answer = wire.read_answer()
    assert answer.header("Location").startswith("http://localhost")
    assert answer.header("Location").partition("/files/")[2].startswith(slot.random)


def test_typed_slot_cannot_be_used_without_the_type(server, nobody):
    """A client without Content-Type, and a type that no ending tells: nothing says that v2 fits."""
    libervia = CLIENTS[-1]
    slot = grant("v2", len(CONTENT), "a.unheard-of", content_type="video/x-unheard-of")
    with nothing_changes(server), Wire(server) as wire:
        wire.send(client_head(libervia, server, slot) + CONTENT)
        assert wire.read_answer().status == 403
    assert slot.put(nobody, CONTENT).status == 201


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_qxmpp_repeats_what_was_cut(server, nobody, repeats):
    qxmpp = CLIENTS[3]
    for kind in kinds_of(qxmpp):
        slot = slot_for(qxmpp, kind, OCTETS)
        head = client_head(qxmpp, server, slot)
        for cut in range(repeats):
            with Wire(server) as wire:
                wire.send(head + CONTENT[:len(CONTENT) * cut // 3])
                wire.reset()
        with Wire(server) as wire:
            wire.send(head + CONTENT)
            assert wire.read_answer().status == 201
        assert nobody.request("GET", slot.target).body == CONTENT
    assert_settled(server)


def test_dino_asks_before_it_downloads(nobody):
    slot = slot_for(CLIENTS[6], "v2", "text/plain")
    assert slot.put(nobody, CONTENT).status == 201
    agent = {"User-Agent": "Dino/0.4.2 libsoup/3.2.3", "Connection": "Keep-Alive"}
    head = nobody.request("HEAD", slot.target, headers={"Accept-Encoding": "identity", **agent})
    got = nobody.request("GET", slot.target,
                         headers={"Accept-Encoding": "gzip, deflate, br", **agent})
    assert (head.status, head.header("Content-Length")) == (200, str(len(CONTENT)))
    assert (got.status, got.body, got.header("Content-Encoding")) == (200, CONTENT, None)
    for field in ("Content-Type", "ETag", "Last-Modified", *SECURITY_HEADERS):
        assert head.header(field) == got.header(field)


def test_gajim_goes_away_after_the_head(server, nobody):
    slot = grant("v1", 20 << 20)
    assert slot.put(nobody, bytes(20 << 20)).status == 201
    for _ in range(5):
        connection = server.connect()
        connection.request("GET", slot.target)
        assert connection.getresponse().getheader("Content-Length") == str(20 << 20)
        connection.close()
    assert nobody.request("GET", slot.target).status == 200


def test_bursts_of_head_and_get(server, nobody):
    """What a client does that has been away: the whole history at once."""
    slots = [grant("v1", 100 * number + 1, f"{number}.bin") for number in range(20)]
    for number, slot in enumerate(slots):
        assert slot.put(nobody, bytes([number]) * slot.size_bytes).status == 201
    unknown = new_slot(1)

    def fetch(number):
        slot = slots[number % 20]
        # On a connection each: httpd may close one that waits, when it has many.
        head, got, missing = (Client(server).request(method, target) for method, target in (
            ("HEAD", slot.target), ("GET", slot.target), ("HEAD", unknown.target)))
        assert head.header("Content-Length") == str(slot.size_bytes)
        assert got.body == bytes([number % 20]) * slot.size_bytes
        return head.status, got.status, missing.status

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(fetch, range(200))) == {(200, 200, 404)}


# curl


def test_curl_uploads_with_a_token_in_the_url(curl_nobody, nobody, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    for kind in ("v1", "v2", "token"):
        slot = grant(kind, len(CONTENT), content_type=OCTETS)
        answer = curl_nobody("-T", file, slot.put_target)
        assert (answer.status, answer.uploaded_bytes) == (201, len(CONTENT))
        assert nobody.request("GET", slot.target).body == CONTENT
        assert curl_nobody("-T", file, slot.put_target).status == 409


def test_curl_uploads_with_a_bearer_token(curl_nobody, nobody, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    slot = grant("jwt", len(CONTENT))
    token = slot.authorization.partition(" ")[2]
    assert curl_nobody("-T", file, slot.target).status == 401
    for option in (("--oauth2-bearer", token), ("-H", f"Authorization: Bearer {token}")):
        slot = grant("jwt", len(CONTENT))
        option = [word.replace(token, slot.authorization.partition(" ")[2]) for word in option]
        assert curl_nobody(*option, "-T", file, slot.target).status == 201
        assert nobody.request("GET", slot.target).body == CONTENT


def test_curl_sends_nothing_of_a_refused_upload(curl_nobody, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    slot = signed(new_slot(len(CONTENT)), "v1", b"another secret")
    answer = curl_nobody("-T", file, "-H", "Expect: 100-continue", "--expect100-timeout", "30",
                         slot.put_target)
    assert (answer.status, answer.interim, answer.uploaded_bytes) == (403, (), 0)


# Browsers


@pytest.mark.parametrize("kind", ["v1", "v2", "token", "jwt", "ejabberd"])
def test_preflight_needs_neither_login_nor_token(nobody, kind):
    slot = slot_for(CLIENTS[0], kind, OCTETS)
    for target in (slot.target, slot.put_target):
        answer = nobody.request("OPTIONS", target, headers={
            "Origin": ORIGIN, "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "authorization,content-type"})
        assert (answer.status, answer.body) == (204, b"")
        assert_readable_by_scripts(answer)
        allowed = {field: answer.header(f"Access-Control-Allow-{field}").lower().split(", ")
                   for field in ("Methods", "Headers")}
        assert {"put", "get", "head"} <= set(allowed["Methods"])
        # A star would not cover Authorization.
        assert {"authorization", "content-type"} <= set(allowed["Headers"])
    assert slot.put(nobody, CONTENT).status == 201


def assert_readable_by_scripts(answer):
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_scripts_can_read_every_answer(server, nobody, owner):
    used, over = grant("v1", 1), grant("jwt", 25 << 20, jid=owner.jid)
    assert owner.put("own", bytes(20 << 20)).status == 201
    seen = set()
    for status, slot, content, fields in (
            (201, used, b"x", {}), (409, used, b"x", {}),
            (401, new_slot(1), b"x", {}), (403, signed(new_slot(1), "v1", b"other"), b"x", {}),
            (403, signed(new_slot(1), "jwt", exp=1), b"x", {}),
            (400, signed(new_slot(1), "jwt"), b"xx", {}),
            (400, grant("v1", 1), b"x", {"Content_Range": "bytes 0-0/2"}),
            (400, grant("v1", 1, "a\nb"), b"x", {}),
            (415, grant("v1", 1), b"x", {"Content_Encoding": "gzip"}),
            (413, grant("v1", MAX_FILE_BYTES + 17), None, {}), (507, over, None, {})):
        with Wire(server) as wire:
            lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
            size_bytes = slot.size_bytes if content is None else len(content)
            wire.send(slot.head(size_bytes, f"Origin: {ORIGIN}", *lines) + (content or b""))
            answer = wire.read_answer()
        assert answer.status == status
        assert_readable_by_scripts(answer)
        seen.add(status)
    for method, target, fields, status in (
            ("GET", new_slot(1).target, {}, 404), ("HEAD", new_slot(1).target, {}, 404),
            ("GET", used.target, {}, 200), ("HEAD", used.target, {}, 200),
            ("POST", used.put_target, {}, 405), ("DELETE", used.target, {}, 403),
            ("PUT", used.put_target, {"Transfer-Encoding": "chunked"}, 411)):
        answer = nobody.request(method, target, headers={"Origin": ORIGIN, **fields})
        assert answer.status == status
        assert_readable_by_scripts(answer)
        seen.add(status)
    assert seen >= {200, 201, 400, 401, 403, 404, 405, 409, 411, 413, 507}
