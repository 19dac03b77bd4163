"""The server with one path that jabberfiles send --direct opens, and where it listens."""

import socket
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from cut_proxy import CutProxy
from direct_sender import CONTENT, DONE, SECONDS_MAX, DirectSender, arrives_by_upload, ask, begun
from jabberfiles import Tool

USAGE = 2


@pytest.fixture
def sender(env, tmp_path, pairs):
    return DirectSender(env, tmp_path, pairs.get("prosody"))


@pytest.fixture
def served(sender):
    """The link of notes.bin while it is served, the client that was asked, and the sender."""
    with sender.peer() as peer:
        with sender.start() as running:
            begun(running)
            yield peer.wait_for_url(), peer, running


def test_head_and_ranges(served):
    url, peer, running = served
    status, whole, content = ask(url, "HEAD")
    assert (status, content, whole["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert whole["Accept-Ranges"] == "bytes"
    assert whole["X-Content-Type-Options"] == "nosniff" and "sandbox" in \
        whole["Content-Security-Policy"]
    status, headers, content = ask(url, Range="bytes=1000-1999")
    assert (status, content) == (206, CONTENT[1000:2000])
    assert headers["Content-Range"] == f"bytes 1000-1999/{len(CONTENT)}"
    assert headers["Repr-Digest"] == whole["Repr-Digest"]
    assert ask(url, Range="bytes=-5")[2] == CONTENT[-5:]
    status, headers, _ = ask(url, Range=f"bytes={len(CONTENT)}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    for same in (whole["ETag"], whole["Last-Modified"]):
        assert ask(url, Range="bytes=10-", If_Range=same)[::2] == (206, CONTENT[10:])
    assert ask(url, Range="bytes=10-", If_Range='"another"')[::2] == (200, CONTENT)
    assert ask(url, "HEAD", Range="bytes=1-2")[0] == 200
    peer.accept()
    assert running.finish().code == DONE


def test_only_one_path_and_two_methods(served):
    url, peer, running = served
    path = urlsplit(url).path
    wrong = ["/", path[:-1], path + "x", path.upper(), "/notes.bin", path.rpartition("/")[0],
             f"/..{path}", f"/{path}", f"{path}/"]
    assert [ask(url, path=each)[0] for each in wrong] == [404] * len(wrong)
    for method in ("PUT", "POST", "DELETE", "OPTIONS", "BREW"):
        status, headers, _ = ask(url, method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert ask(url, Long="x" * 20000)[0] == 431
    assert ask(url)[2] == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_a_second_receiver_is_refused(served):
    url, peer, running = served
    assert ask(url, source="127.0.0.2", path="/guess")[0] == 404
    assert ask(url, "HEAD")[0] == 200
    for method in ("GET", "HEAD"):
        assert ask(url, method, source="127.0.0.2")[0] == 403
    assert ask(url)[2] == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_a_broken_download_is_resumed(env, tmp_path, served):
    url, peer, running = served
    work = Tool(env, tmp_path / "work")
    with CutProxy(SimpleNamespace(port=urlsplit(url).port), [1000, 100_000]) as proxy:
        port, front = (f":{each.port}/" for each in (urlsplit(url), proxy.front))
        work("get", "--yes", "--allow-private", url.replace(port, front))
    assert [count for count in proxy.passed_bytes if count >= 100_000][0] == 100_000
    assert sum(proxy.passed_bytes) < len(CONTENT) + 10_000
    assert (work.home / "notes.bin").read_bytes() == CONTENT
    peer.accept()
    assert running.finish().code == DONE


def test_many_connections_do_not_lock_the_receiver_out(served):
    """They are refused from one address, and the receiver comes from another one."""
    url, peer, running = served
    parts = urlsplit(url)
    crowd = [socket.create_connection((parts.hostname, parts.port), SECONDS_MAX, ("127.0.0.3", 0))
             for _ in range(20)]
    try:
        assert ask(url)[2] == CONTENT
    finally:
        for each in crowd:
            each.close()
    peer.accept()
    assert running.finish().code == DONE


@pytest.mark.parametrize("address", ["127.0.0.9", "[::1]"])
def test_where_it_listens_can_be_said(sender, address):
    with socket.socket() as probe:
        probe.bind(("127.0.0.9", 0))
        port = probe.getsockname()[1]
    with sender.peer(lambda url: ask(url, source="" if "[" in url else "127.0.0.1")) as peer:
        sender.send("--listen", f"{address}:{port}")
    assert peer.urls[0].startswith(f"http://{address}:{port}/")


def test_an_address_of_others_fails_and_the_file_is_uploaded(sender):
    with sender.peer() as peer:
        told = sender.send("--listen", "192.0.2.7")
        arrives_by_upload(sender, peer, told)
    assert "--listen" in [each for each in told if each.get("state") == "failed"][0]["reason"]


@pytest.mark.parametrize("listen", ["example.org", "0.0.0.0", "::", "127.0.0.1:0", "127.0.0.1:99999",
                                    "224.0.0.1", "[::1", "127.1", ""])
def test_wrong_addresses_are_noticed_at_once(sender, listen):
    complaint = sender.tool.complaint(*sender.arguments("--listen", listen), code=USAGE)
    assert "192.0.2.7:8010" in complaint


def test_an_address_without_direct_makes_no_sense(sender):
    assert "--direct" in sender.tool.complaint("send", "--listen", "127.0.0.1", "notes.bin",
                                               sender.bob.jid, code=USAGE)
