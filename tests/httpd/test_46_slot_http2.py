"""Uploads to slots over HTTPS, with HTTP/1.1 and HTTP/2 as go-sendxmpp, profanity and Dino do."""

import subprocess

import pytest

from client import Client
from config import Site
from curl import Curl
from slots import (KINDS, OCTETS, ask_slot, assert_settled, grant, grant_ejabberd, new_slot,
                   nothing_changes, open_slot_service, secret_lines, sha1_of, signed)
from wire_http2 import Http2Wire

CONTENT = bytes(range(256)) * 4000
QUOTA_BYTES = 8 << 20
MAX_FILE_BYTES = 10 << 20
HTTP2_NO_ERROR = 0


@pytest.fixture(scope="module")
def site(work_dir, certs):
    return Site(certificates=certs, http2=True, inner_lines=open_slot_service(),
                base_lines=secret_lines(work_dir) + "JabberFilesSlotService On\n"
                f"JabberFilesQuota {QUOTA_BYTES}\nJabberFilesMaxFileSize {MAX_FILE_BYTES}\n")


@pytest.fixture(params=["1.1", "2"])
def put(request, server, tmp_path):
    """Uploads with curl and that version of HTTP."""
    def run(slot, content):
        file = tmp_path / "file"
        file.write_bytes(content)
        fields = [word for name, value in slot.fields().items()
                  for word in ("-H", f"{name}: {value}")]
        answer = Curl(server)(f"--http{request.param}", *fields, "-T", file,
                              slot.put_target)
        assert answer.version == f"HTTP/{request.param}"
        return answer

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_upload_and_download(server, nobody, put, kind):
    for name in ("photo.jpg", "näme & ü+%.txt"):
        slot = grant(kind, len(CONTENT), name)
        answer = put(slot, CONTENT)
        assert answer.status == 201
        assert answer.text == answer.header("Location") + "\n"
        assert answer.text.startswith(server.url("/files/"))
        assert nobody.request("GET", slot.target).body == CONTENT


def test_upload_for_ejabberds_users(server, nobody, owner, put):
    for slot in (grant_ejabberd(len(CONTENT), sha1_of(owner.jid)),
                 ask_slot(nobody, owner.jid, len(CONTENT))):
        assert put(slot, CONTENT).status == 201
        assert nobody.request("GET", slot.target).body == CONTENT
    assert owner.used_bytes() == 2 * len(CONTENT)
    assert_settled(server)


@pytest.mark.parametrize("fields", [{}, {"expect": "100-continue"}], ids=["plain", "expect"])
def test_refusal_comes_before_any_byte(server, nobody, owner, fields):
    used = grant("v1", 5, content_type=OCTETS)
    assert used.put(nobody, b"hello").status == 201
    cases = ((used, 409), (signed(new_slot(5), "v1", b"another secret"), 403),
             (new_slot(5), 401), (grant("v1", 6).but(size_bytes=5), 403),
             (grant("v1", QUOTA_BYTES), 507), (grant("v1", MAX_FILE_BYTES + 17), 413))
    with nothing_changes(server):
        for slot, status in cases:
            with Http2Wire(server) as wire:
                # A login is sent along by this wire; it does not matter.
                wire.put(slot.put_target, slot.size_bytes, owner, **fields)
                assert wire.read_status() == status
                assert wire.read_to_the_end() in (None, HTTP2_NO_ERROR)


def test_accepted_upload_gets_100_before_its_body(server, nobody, owner):
    slot = grant("v1", 5)
    with Http2Wire(server) as wire:
        wire.put(slot.put_target, 5, owner, expect="100-continue")
        assert wire.read_status() == 100
        wire.send_body(b"hello")
        assert wire.read_status() == 201
    assert nobody.request("GET", slot.target).body == b"hello"


def test_parallel_streams_of_one_slot(server, tmp_path):
    """Eight times the same URL on one connection: one upload is taken."""
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    slot = grant("v1", len(CONTENT))
    words = ["-T", file, "-H", "Content-Type: image/jpeg", "-w", "%{http_code} ",
             "-o", tmp_path / "body", server.url(slot.put_target)]
    done = subprocess.run(
        ["curl", "-q", "-sS", "--http2", "--parallel", "--cacert", server.site.certificates.ca,
         *words, *(word for _ in range(7) for word in ["--next", "--http2", *words])],
        capture_output=True, check=False)
    assert done.stdout.split().count(b"201") == 1
    assert Client(server).request("GET", slot.target).body == CONTENT
    assert_settled(server)
