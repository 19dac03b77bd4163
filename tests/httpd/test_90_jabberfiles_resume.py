"""Uploads that go on where the connection broke (draft-ietf-httpbis-resumable-upload)."""

import os

import pytest

from client import area_path
from config import BASE
from http_script import HttpScript, answer
from jabberfiles import Tool

SIZE_BYTES = 8 << 20
LINK = b"http://127.0.0.1/files/token/x\n"
VERSION = {"Upload-Draft-Interop-Version": "8"}
UPLOAD = "/resume/Zx81kQ"


class Resumable:
    """The server's side of the draft: one upload, of which it keeps what has come."""

    def __init__(self, cuts, location=UPLOAD, version=VERSION):
        """`cuts` has for each connection with content after how many bytes it breaks."""
        self.received = b""
        self.cuts = list(cuts)
        self._location = location
        self._version = version

    def _receive(self, exchange):
        length = int(exchange.heard.headers["Content-Length"])
        cut = self.cuts.pop(0) if self.cuts else length
        before = len(exchange.heard.body)
        exchange.read_body(min(cut, length))
        self.received += exchange.heard.body[before:]
        if cut < length:
            exchange.reset()
        exchange.answer(201, LINK, {"Upload-Complete": "?1"})

    def create(self, exchange):
        assert exchange.heard.headers["Upload-Complete"] == "?1"
        assert exchange.heard.headers["Upload-Draft-Interop-Version"] == "8"
        exchange.send_head(104, {"Location": self._location, **self._version})
        self.received = b""
        self._receive(exchange)

    def go_on(self, exchange):
        fields = exchange.heard.headers
        offset = {"Upload-Offset": str(len(self.received)), "Upload-Complete": "?0"}
        if exchange.heard.method == "HEAD":
            exchange.answer(204, headers=offset)
        elif fields["Upload-Offset"] != offset["Upload-Offset"]:
            exchange.read_body()
            exchange.answer(409, headers=offset)
        else:
            assert exchange.heard.method == "PATCH"
            assert fields["Content-Type"] == "application/partial-upload"
            assert fields["Upload-Complete"] == "?1"
            assert fields["Repr-Digest"] is None
            self._receive(exchange)


@pytest.fixture
def start(env, owner, tmp_path):
    """Starts a server whose area is served by one step and whose uploads by another one; returns
    it and the tool."""
    made = []

    def make(area, uploads):
        target = area_path(owner.jid, "x").replace("@", "%40")
        made.append(HttpScript({target: area, "*": uploads}))
        tool = Tool(env, tmp_path / "home", JABBERFILES_PASSWORD=owner.password)
        tool.configure(jid=owner.jid, url=made[-1].url(BASE))
        (tool.home / "x").write_bytes(os.urandom(SIZE_BYTES))
        return made[-1], tool

    yield make
    for script in made:
        script.close()


def content_of(tool):
    return (tool.home / "x").read_bytes()


def area_steps(upload):
    """PUT creates; HEAD, which looks whether the file is there, finds nothing."""
    def step(exchange):
        if exchange.heard.method == "HEAD":
            exchange.answer(404)
        else:
            upload.create(exchange)

    return [step]


def test_an_upload_that_breaks_three_times_goes_on(start):
    upload = Resumable([1 << 20, 2 << 20, 3 << 20])
    script, tool = start(area_steps(upload), [upload.go_on])
    done = tool.run("put", "x")
    assert (done.code, done.stdout) == (0, LINK), done
    assert upload.received == content_of(tool)
    assert script.methods().count("PUT") == 1 and script.methods().count("PATCH") == 3
    sent = [int(heard.headers["Content-Length"]) for heard in script.heard
            if heard.method == "PATCH"]
    assert sent == [7 << 20, 5 << 20, 2 << 20]


def test_progress_forgives_what_was_in_vain(start):
    """More breaks than attempts are made in vain."""
    upload = Resumable([512 << 10] * 8)
    script, tool = start(area_steps(upload), [upload.go_on])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods().count("PATCH") == 8
    assert upload.received == content_of(tool)


@pytest.mark.parametrize("location, version", [
    (UPLOAD, {}), (UPLOAD, {"Upload-Draft-Interop-Version": "7"}),
    ("http://192.0.2.1/x", VERSION), ("https://127.0.0.1/x", VERSION), ("file:///etc", VERSION)])
def test_offers_that_are_none_are_ignored(start, location, version):
    upload = Resumable([1 << 20], location, version)
    script, tool = start(area_steps(upload), [upload.go_on])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods() == ["PUT", "HEAD", "PUT"]
    assert upload.received == content_of(tool)


@pytest.mark.parametrize("status", [404, 410, 403])
def test_an_upload_that_the_server_has_lost_begins_anew(start, status):
    upload = Resumable([1 << 20])
    script, tool = start(area_steps(upload), [answer(status)])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods() == ["PUT", "HEAD", "HEAD", "PUT"]
    assert upload.received == content_of(tool)


@pytest.mark.parametrize("offset", ["", "-1", "99999999999", "1e3", "5, 6", "9" * 30])
def test_offsets_that_cannot_be_are_not_believed(start, offset):
    upload = Resumable([1 << 20])
    fields = {"Upload-Offset": offset, "Upload-Complete": "?0"}
    script, tool = start(area_steps(upload), [answer(204, headers=fields)])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods() == ["PUT", "HEAD", "HEAD", "PUT"]


def test_a_wrong_offset_is_corrected_by_the_server(start):
    upload = Resumable([1 << 20])

    def lie_first(exchange):
        if script.methods().count("PATCH") == 0 and exchange.heard.method == "HEAD":
            exchange.answer(204, headers={"Upload-Offset": "5", "Upload-Complete": "?0"})
        else:
            upload.go_on(exchange)

    script, tool = start(area_steps(upload), [lie_first])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods() == ["PUT", "HEAD", "HEAD", "PATCH", "HEAD", "PATCH"]
    assert upload.received == content_of(tool)


def test_a_refusal_at_the_end_is_final(start):
    upload = Resumable([1 << 20])

    def refuse(exchange):
        if exchange.heard.method == "HEAD":
            upload.go_on(exchange)
        else:
            exchange.read_body()
            exchange.answer(507, headers={"Upload-Complete": "?1"})

    script, tool = start(area_steps(upload), [refuse])
    assert tool.run("put", "x").code == 5
    assert script.methods() == ["PUT", "HEAD", "HEAD", "PATCH"]


def test_a_server_that_is_busy_meanwhile_is_waited_for(start):
    upload = Resumable([1 << 20])
    busy = answer(503, headers={"Retry-After": "1"})
    script, tool = start(area_steps(upload), [busy, upload.go_on])
    assert tool.run("put", "x").stdout == LINK
    assert script.methods() == ["PUT", "HEAD", "HEAD", "HEAD", "PATCH"]


def test_our_server_takes_the_offer_for_nothing(server, owner, env, tmp_path):
    tool = Tool(env, tmp_path / "home", JABBERFILES_PASSWORD=owner.password)
    tool.configure(jid=owner.jid, url=server.url(BASE))
    (tool.home / "x").write_bytes(b"content")
    assert owner.open_link(tool("put", "x").strip()).body == b"content"
