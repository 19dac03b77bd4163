"""Names in the URLs of slots: the right file in every encoding, or a clean refusal."""

import re
from urllib.parse import unquote

import pytest

from client import area_path
from slots import (KINDS, encode_aiohttp, encode_ejabberd, encode_file_share, encode_libsoup,
                   encode_prosody, encode_raw, grant, grant_ejabberd, new_slot, nothing_changes,
                   signed, site_with_slots, upload)
from wire import Wire, request_head

CONTENT = b"content"
SIZE_BYTES = len(CONTENT)
INVALID_PATH = "AH10244"  # httpd's own remark

# As servers write them and as clients rewrite them before they send.
ENCODERS = {"Prosody": encode_prosody, "file_share": encode_file_share,
            "ejabberd": encode_ejabberd, "ejabberd 26": encode_raw, "libsoup, Qt": encode_libsoup,
            "aiohttp": encode_aiohttp}

GOOD_NAMES = (
    "photo.jpg", "no extension", "a  b", " leading", "trailing ", "a+b.txt", "+", "100%.txt", "%",
    "%41.txt", "%2e%2e", "%252f", "ü%2f.txt", "%00", "what?.txt", "#1.txt", "a&b=c;d,e.txt",
    "a?v=0.txt", "v=1&v2=2&token=3", 'say "hi".txt', "it's.txt", "back\\slash.txt", "..\\x",
    "~tilde", "tilde~", "trailing.", "...", "..x", "x..", "a:b", "C:\\x", "-rf", "--", ".hidden",
    ".htaccess", ".slot", "me@example.org", "@", "<b>bold<b>.html", "{[(|)]}", "`id`", "$HOME",
    "a*b!c", "^", "très cool.jpg", "Übersicht 2026.pdf", "U\u0308bersicht.pdf", "日本語 写真.png",
    "🎈.png", "n\u00a0b", "a" * 255, "é" * 127, "CON", "nul.txt", "file.php", "ledger.db",
    "näme mit space & ü%2f.txt",
)

# What Prosody and ejabberd sign if a client asks for it; how it stands in the URL is up to others.
BAD_NAMES = (
    "..", ".", "nl\r\nX-Evil: 1.jpg", "a\nb", "a\rb", "a\tb", "\x01", "\x1f", "\x7f", "a\0b",
    "a\u0080b", "a\u009fb", "a\u2028b", "a\u2029b", "photo\u202egpj.exe", "a\u202ab", "a\u2066b",
    "a\u2069b", "a" * 256, "é" * 128, "a" * 300, "\udcff.txt", "a\udcc3", "\udcc0\udcaf",
    "\udced\udca0\udc80", "",
)

# What a path becomes before it is looked at: target below BASE, what was signed.
TRICKS = (
    ("{r}/a%2fb", "{r}/a/b"), ("{r}/a%2Fb", "{r}/a/b"), ("{r}/..%2fx", "{r}/../x"),
    ("{r}/%2e%2e%2fx", "{r}/../x"), ("{r}//photo.jpg", "{r}//photo.jpg"),
    ("{r}/photo.jpg/", "{r}/photo.jpg/"), ("{r}/", "{r}/"), ("{r}", "{r}"),
    ("{r}%2fphoto.jpg", "{r}/photo.jpg"), ("%2e%2e/{r}/photo.jpg", "../{r}/photo.jpg"),
    ("{r}/../photo.jpg", "{r}/../photo.jpg"), ("{r}/../../photo.jpg", "{r}/../../photo.jpg"),
    ("../{r}/photo.jpg", "../{r}/photo.jpg"), ("{r}/x/../../photo.jpg", "{r}/x/../../photo.jpg"),
    ("{r}/%", "{r}/%"), ("{r}/%4", "{r}/%4"), ("{r}/%zz", "{r}/%zz"), ("{r}/%u0041", "{r}/A"),
    ("{r}/a%00.jpg", "{r}/a"), ("{r}/a%00.jpg", "{r}/a.jpg"),
    ("{r};x=1/photo.jpg", "{r}/photo.jpg"),
    ("{r}%00/photo.jpg", "{r}/photo.jpg"), ("{r}%0a/photo.jpg", "{r}/photo.jpg"),
    ("%0d%0aX-Evil:%201/photo.jpg", "\r\nX-Evil: 1/photo.jpg"),
    ("%FF/photo.jpg", "\udcff/photo.jpg"),
    ("{r}%E2%80%AE/photo.jpg", "{r}\u202e/photo.jpg"), (" /photo.jpg", " /photo.jpg"),
    ("{long}/photo.jpg", "{long}/photo.jpg"),
)


@pytest.fixture(scope="module")
def site(work_dir):
    return site_with_slots(work_dir)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def assert_is_that_file(server, nobody, slot, answer):
    """The file is found under any encoding of its name, and goes by that name."""
    assert answer.status == 201, answer.text
    location = answer.header("Location")
    assert location.isascii() and answer.text == location + "\n"
    assert unquote(location.rpartition("/")[2]) == slot.name
    for encode in ENCODERS.values():
        with Wire(server) as wire:
            wire.send(slot.but(encoded=encode(slot.name), query="", authorization="").head(
                0, "Connection: close", method="GET"))
            got = wire.read_answer("GET")
            assert (got.status, got.body) == (200, CONTENT), encode(slot.name)
    assert nobody.request("GET", location).body == CONTENT


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_name_in_every_encoding_is_that_name(server, nobody, records, name):
    for encode in ENCODERS.values():
        slot = grant("v1", SIZE_BYTES, name, encode)
        assert_is_that_file(server, nobody, slot, upload(server, slot, CONTENT))
        path, = records.query("SELECT path FROM file WHERE token = ?", slot.random)[0]
        assert path.split("/", 3)[3] == name


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_name_with_every_kind_is_that_name(server, nobody, kind, name):
    slot = grant(kind, SIZE_BYTES, name)
    assert_is_that_file(server, nobody, slot, upload(server, slot, CONTENT))
    slot = grant_ejabberd(SIZE_BYTES, "erin", name)
    assert_is_that_file(server, nobody, slot, upload(server, slot, CONTENT))


def test_owner_finds_all_names_in_the_list(server, nobody, owner):
    for name in GOOD_NAMES:
        upload(server, grant("jwt", SIZE_BYTES, name, jid=owner.jid), CONTENT)
    entries = owner.listing()["files"]
    assert {entry["path"].split("/", 3)[3] for entry in entries} == set(GOOD_NAMES)
    for entry in entries:
        assert nobody.request("GET", entry["link"]).body == CONTENT
        assert owner.request("GET", entry["url"]).body == CONTENT
    assert owner.request("GET", area_path(owner.jid)).status == 200
    for entry in entries:
        assert owner.delete(entry["path"]).status == 204


@pytest.mark.parametrize("name,decoded_twice", [
    ("a%2fb", "a%2Fb"), ("a%41", "aA"), ("a%25b", "a%b"), ("100%25", "100%"), ("a%2Bb", "a+b"),
    ("%2e%2e", "..")])
def test_names_are_decoded_once(server, nobody, kind, name, decoded_twice, log):
    log.allow(INVALID_PATH)
    slot = grant(kind, SIZE_BYTES, name)
    for encoded in {decoded_twice, encode_libsoup(decoded_twice), name}:
        if unquote(encoded) == name:
            continue
        with nothing_changes(server):
            status = upload(server, slot.but(encoded=encoded), CONTENT).status
            assert status in (400, 403, 404, 405), encoded
    assert_is_that_file(server, nobody, slot, upload(server, slot, CONTENT))


def test_plus_is_a_plus(server, nobody, kind):
    slot = grant(kind, SIZE_BYTES, "a b.txt")
    with nothing_changes(server):
        assert upload(server, slot.but(encoded="a+b.txt"), CONTENT).status == 403
    literal = grant(kind, SIZE_BYTES, "a+b.txt", str)
    assert "+" in literal.target
    assert_is_that_file(server, nobody, literal, upload(server, literal, CONTENT))


# Refusals


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("kind", [*KINDS, "ejabberd"])
def test_bad_name_is_refused_though_it_is_signed(server, nobody, kind, name, log):
    log.allow(INVALID_PATH)
    slot = grant_ejabberd(SIZE_BYTES, "erin", name) if kind == "ejabberd" \
        else grant(kind, SIZE_BYTES, name)
    with nothing_changes(server):
        for encoded in {slot.encoded, encode_libsoup(name), encode_file_share(name)}:
            answer = upload(server, slot.but(encoded=encoded), CONTENT)
            assert_clean(answer, (400, 403, 404, 405))
            assert_clean(nobody.request("GET", f"{slot.base}/{slot.random}/{encoded}"),
                         (400, 403, 404))


def assert_clean(answer, statuses):
    assert answer.status in statuses
    assert answer.header("X-Evil") is None
    assert b"X-Evil" not in answer.body.replace(b"X-Evil: 1.jpg", b"")


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: ascii(trick[0]))
def test_trick_with_the_path_is_refused(server, trick, log):
    log.allow(INVALID_PATH)
    slot = new_slot(SIZE_BYTES)
    target, path = (part.format(r=slot.random, long="r" * 256) for part in trick)
    random, _, name = path.rpartition("/")
    for kind in ("v1", "v2", "jwt"):
        right = signed(slot.but(random=random, name=name), kind)
        with nothing_changes(server):
            answer = upload(server, RawTarget(right, f"/files/{target}"), CONTENT)
            assert_clean(answer, (400, 401, 403, 404, 405))
    assert not list(server.root.parent.glob("photo.jpg")) + list(server.root.glob("**/photo.jpg"))


class RawTarget:
    """A slot's token with a target that no slot has."""

    def __init__(self, slot, target):
        self._slot, self._target = slot, target

    def head(self, length_bytes, *fields):
        query = f"?{self._slot.query}" if self._slot.query else ""
        lines = [f"{name}: {value}" for name, value in self._slot.fields().items()]
        return request_head("PUT", self._target + query, f"Content-Length: {length_bytes}", *lines,
                            *fields)


@pytest.mark.parametrize("target,path", [
    ("./{r}/photo.jpg", "{r}/photo.jpg"), ("{r}/./photo.jpg", "{r}/photo.jpg"),
    ("x/../{r}/photo.jpg", "{r}/photo.jpg"), ("%2e/{r}/photo.jpg", "{r}/photo.jpg"),
    ("/{r}/photo.jpg", "{r}/photo.jpg")])
def test_what_httpd_makes_plain_is_the_plain_slot(server, nobody, target, path):
    slot = new_slot(SIZE_BYTES)
    right = signed(slot, "v1")
    assert slot.path == path.format(r=slot.random)
    answer = upload(server, RawTarget(right, f"/files/{target.format(r=slot.random)}"), CONTENT)
    assert answer.status == 201
    assert right.put(nobody, CONTENT).status == 409


# Headers


HEADER_NAMES = ('a"; filename=evil.exe; x="', "a; filename*=UTF-8''evil.exe", "back\\", "é\"ü",
                "日本語", "a'b", "%0d%0aX-Evil: 1", "\\r\\nX-Evil: 1", "X-Evil: 1")


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_name_stays_within_its_header_line(server, kind, name):
    slot = grant(kind, SIZE_BYTES, name, content_type="application/pdf")
    for head, content in ((slot.head(SIZE_BYTES), CONTENT),
                          (slot.but(query="").head(0, method="GET"), b""),
                          (slot.head(SIZE_BYTES), CONTENT)):
        with Wire(server) as wire:
            wire.send(head + content)
            wire.finish_sending()
            answer = wire.read_answer()
            assert answer.status in (201, 200, 409)
            assert answer.header("X-Evil") is None
            for field, value in answer.headers.items():
                assert re.fullmatch(r"[\w-]+", field)
                assert value.isascii() and value.isprintable()
    disposition = answer_to_get(server, slot).header("Content-Disposition")
    assert disposition.startswith("attachment")
    encoded = re.search(r"filename\*=UTF-8''([^;]+)$", disposition)
    assert encoded is None or unquote(encoded[1]) == name
    assert "filename=evil" not in re.sub(r'"(?:[^"\\]|\\.)*"', "", disposition)


def answer_to_get(server, slot):
    with Wire(server) as wire:
        wire.send(slot.but(query="", authorization="").head(0, method="GET"))
        return wire.read_answer("GET")


# The field of a type cannot have these, the claim of a JWT can.
EVIL_TYPES = ("text/plain\r\nX-Evil: 1", "text/plain\nX-Evil: 1", "text/plain\0", "\r\n\r\n<b>",
              "text/plain; x=\"\r\nX-Evil: 1\"", "a/" + "b" * 1000, "textplain", "text/pläin", "")


@pytest.mark.parametrize("content_type", EVIL_TYPES, ids=ascii)
def test_type_of_a_jwt_is_no_header(server, nobody, content_type):
    slot = signed(new_slot(SIZE_BYTES), "jwt", filetype=content_type)
    status = slot.put(nobody, CONTENT, Content_Type=None).status
    assert status in (201, 400, 403)
    answer = answer_to_get(server, slot)
    assert answer.header("X-Evil") is None
    if status == 201:
        assert answer.header("Content-Type") == "application/octet-stream"
        assert answer.body == CONTENT
