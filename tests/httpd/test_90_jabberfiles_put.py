"""jabberfiles put: files into the own area, links onto standard output."""

import contextlib
import hashlib
import os
import subprocess
import threading
import time

import pytest

from area_tool import make_file, make_tool
from config import BASE, Site
from http_script import Over, answer
from jabberfiles import Tool

MAX_FILE_BYTES = 300 << 20
QUOTA_BYTES = 250 << 20
# Longer than libcurl waits for 100 if it is not told otherwise.
LOGIN_SECONDS = 1.5
CONTENT = bytes(range(256)) * 40
NAMES = ("plain.txt", "two words.txt", "Überraschung.pdf", "100%25 sure.txt", "a#b?c&d.txt",
         "日本語.png", "quote'\"s.txt", "-dash", "comma,semi;colon", "[brackets]{1..3}", "\\back")


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs, http2=True,
                base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                           f"JabberFilesMaxFileSize {MAX_FILE_BYTES}")


def test_put_prints_a_link_that_anybody_can_open(tool, owner):
    make_file(tool, "photo.jpg", CONTENT)
    link, = tool("put", "photo.jpg").splitlines()
    shared = owner.open_link(link)
    assert shared.body == CONTENT
    assert shared.header("Content-Type") == "image/jpeg"
    assert "photo.jpg" in shared.header("Content-Disposition")


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_as_they_are(tool, owner, name):
    make_file(tool, name, CONTENT)
    link, = tool("put", "--", name).splitlines()
    assert owner.open_link(link).body == CONTENT
    assert [entry["path"] for entry in owner.listing()["files"]] == [name]


@pytest.mark.parametrize("size_bytes", [0, 1, 1 << 20, (1 << 20) + 1, 20 << 20])
def test_sizes(tool, owner, size_bytes):
    content = os.urandom(size_bytes)
    make_file(tool, "x", content)
    assert owner.open_link(tool("put", "x").strip()).body == content


def test_several_files_and_a_line_of_json_for_each(tool, owner):
    for name in ("a", "b.png"):
        make_file(tool, name, name.encode())
    told = tool.json("put", "a", "b.png")
    assert [each["type"] for each in told] == ["file", "file"]
    assert [each["name"] for each in told] == ["a", "b.png"]
    assert [each["size_bytes"] for each in told] == [1, 5]
    assert told[1]["sha256"] == hashlib.sha256(b"b.png").hexdigest()
    assert owner.open_link(told[1]["link"]).body == b"b.png"


def test_a_file_that_fails_does_not_stop_the_others(tool, owner):
    make_file(tool, "a", CONTENT)
    make_file(tool, "b", CONTENT)
    done = tool.run("put", "a", "missing", "b")
    assert done.code == 8
    assert len(done.lines) == 2
    assert "missing" in done.err
    assert len(owner.listing()["files"]) == 2


def test_one_missing_file_is_a_failure(tool):
    assert "missing cannot be opened: No such file" in tool.complaint("put", "missing", code=1)


def test_a_directory_is_refused_with_the_way_out(tool):
    (tool.home / "holiday").mkdir()
    assert "tar -czf holiday.tar.gz holiday" in tool.complaint("put", "holiday", code=2)


def test_name_and_type_can_be_chosen(tool, owner):
    make_file(tool, "x", CONTENT)
    link = tool("put", "--name", "résumé.pdf", "--type", "application/pdf", "x").strip()
    assert owner.open_link(link).header("Content-Type") == "application/pdf"
    assert owner.listing()["files"][0]["path"] == "résumé.pdf"


@pytest.mark.parametrize("name", ["..", ".", "a/b", "", "line\nbreak", "a\u202eb"])
def test_names_that_no_area_has_are_refused_before_anything_is_sent(tool, name):
    make_file(tool, "x", CONTENT)
    assert "--name" in tool.complaint("put", "--name", name, "x", code=2)


def test_name_is_for_one_file(tool):
    assert "--name" in tool.complaint("put", "--name", "x", "a", "b", code=2)


def test_expires_is_asked_for(tool, owner):
    make_file(tool, "x", CONTENT)
    tool("put", "--expires", "1h", "x")
    assert owner.listing()["files"][0]["expires"] is not None


def test_a_file_that_is_put_again_keeps_its_link(tool, owner):
    make_file(tool, "x", CONTENT)
    link = tool("put", "x")
    make_file(tool, "x", b"other")
    assert tool("put", "x") == link
    assert owner.open_link(link.strip()).body == b"other"


def test_the_request_says_what_a_server_needs(start_script):
    script, tool = start_script([answer(201, b"http://127.0.0.1/x\n")])
    make_file(tool, "x.png", CONTENT)
    tool("put", "--expires", "2h", "x.png")
    fields = script.heard[0].headers
    digest = hashlib.sha256(CONTENT).digest()
    assert fields["Content-Length"] == str(len(CONTENT))
    assert fields["Content-Type"] == "image/png"
    assert fields["JabberFiles-Expire"] == "7200"
    assert fields["Repr-Digest"].startswith("sha-256=:") and len(digest) == 32
    assert fields["Accept-Encoding"] == "identity"
    assert fields["Cookie"] is None


# Standard input


def test_standard_input_is_sent_as_it_comes(tool, owner):
    done = tool.run("put", "-", stdin=b"from a pipe")
    assert done.code == 0
    assert '"stdin"' in done.err and "--name" in done.err
    assert owner.open_link(done.out.strip()).body == b"from a pipe"


@pytest.mark.parametrize("size_bytes", [0, 200 << 20])
def test_standard_input_of_any_size(tool, owner, size_bytes):
    block = os.urandom(1 << 20)
    with subprocess.Popen(tool.command(["--json", "put", "--name", "dump", "-"]),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tool.home,
                          env=tool.variables, text=False) as running:
        digest = hashlib.sha256()
        for _ in range(size_bytes >> 20):
            running.stdin.write(block)
            digest.update(block)
        running.stdin.close()
        told = running.stdout.read()
    assert running.returncode == 0
    assert f'"sha256":"{digest.hexdigest()}"'.encode() in told
    assert f'"size_bytes":{size_bytes}'.encode() in told
    assert owner.used_bytes() == size_bytes
    owner.delete("dump")


def test_a_named_pipe_is_like_standard_input(tool, owner):
    fifo = tool.home / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(CONTENT))
    writer.start()
    link = tool("put", "fifo").strip()
    writer.join()
    assert owner.open_link(link).body == CONTENT


# Refusals, each with what to do


def test_over_quota_is_told_in_numbers(tool, owner):
    owner.put("old", bytes(210 << 20))
    make_file(tool, "big.iso", bytes(50 << 20))
    assert tool.complaint("put", "big.iso", code=5) == \
        "jabberfiles: uploading big.iso: the area is full: 210 MiB of 250 MiB are used, and it " \
        "needs 50 MiB; delete something with \"jabberfiles rm\"\n"
    assert owner.listing()["reserved_bytes"] == 0


def test_a_refusal_comes_before_the_file_is_sent(start_script):
    """The server says no where it could say 100, after it has asked somebody for the password;
    what is sent all the same is counted."""
    def refuse_and_count(exchange):
        time.sleep(LOGIN_SECONDS)
        exchange.answer(507, b"no room.\n", {"Content-Type": "text/plain"})
        while True:
            exchange.heard.body += exchange.read_some()

    script, tool = start_script([refuse_and_count])
    make_file(tool, "big.iso", bytes(50 << 20))
    assert "uploading big.iso: the server has no room for it (no room)" \
        in tool.complaint("put", "big.iso", code=5)
    assert script.heard[0].headers["Expect"] == "100-continue"
    assert script.heard[0].body == b""


def test_a_small_file_is_not_announced_to_servers_that_might_not_answer(start_script):
    script, tool = start_script([lambda exchange: exchange.answer(507)])
    make_file(tool, "small.txt", bytes(1 << 16))
    tool.complaint("put", "small.txt", code=5)
    assert "Expect" not in script.heard[0].headers


def test_a_refusal_in_the_midst_of_the_file_is_told(start_script):
    def refuse_late(exchange):
        exchange.read_body(1 << 20)
        exchange.answer(413, headers={"Connection": "close"})
        with contextlib.suppress(Over):
            exchange.hang()

    script, tool = start_script([refuse_late])
    make_file(tool, "big.iso", bytes(50 << 20))
    assert "larger than the server takes" in tool.complaint("put", "big.iso", code=5)
    assert script.methods() == ["PUT"]


def test_over_quota_for_programs(tool, owner):
    owner.put("old", bytes(240 << 20))
    make_file(tool, "x", bytes(11 << 20))
    error, = tool.run("--json", "put", "x").errors
    assert (error["type"], error["code"], error["exit_code"]) == ("error", "quota", 5)
    assert (error["limit_bytes"], error["used_bytes"], error["required_bytes"]) \
        == (QUOTA_BYTES, 240 << 20, 11 << 20)


def test_standard_input_over_quota(tool, owner):
    owner.put("old", bytes(240 << 20))
    assert "the area is full" in tool.complaint("-q", "put", "--name", "x", "-",
                                                stdin=bytes(30 << 20), code=5)


def test_too_large_names_the_limit(tool):
    with open(tool.home / "sparse", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "it is larger than the 300 MiB that the server takes" \
        in tool.complaint("put", "sparse", code=5)


def test_wrong_password_names_the_account_and_stops(tool, owner):
    for name in ("a", "b"):
        make_file(tool, name, CONTENT)
    done = tool.run("put", "a", "b", env={"JABBERFILES_PASSWORD": "wrong"})
    assert done.code == 4
    assert f"does not accept the password of {owner.jid}" in done.err
    assert '"jabberfiles login"' in done.err
    assert "the other 1 were not tried" in done.err
    assert "wrong" not in done.err


def test_somebody_who_may_not_have_an_area(server, users, tmp_path):
    tool = make_tool(server, users.client(server, "mallory@evil.example"), tmp_path / "home")
    make_file(tool, "x", CONTENT)
    assert "the server does not allow it" in tool.complaint("put", "x", code=4)


def test_a_place_without_area(tool, server):
    make_file(tool, "x", CONTENT)
    assert "check the URL" in tool.complaint("--url", server.url("/nowhere"), "put", "x", code=1)


# TLS


def test_an_unknown_authority_is_refused_and_the_option_named(server, owner, tmp_path):
    tool = Tool(server.env, tmp_path / "home", JABBERFILES_PASSWORD=owner.password)
    tool.configure(jid=owner.jid, url=server.url(BASE))
    make_file(tool, "x", CONTENT)
    complaint = tool.complaint("put", "x", code=4)
    assert "cannot be trusted" in complaint and "--ca FILE" in complaint


def test_a_wrong_authority_is_refused(tool, stranger):
    make_file(tool, "x", CONTENT)
    assert "cannot be trusted" in tool.complaint("--ca", stranger.ca, "put", "x", code=4)


def test_a_certificate_for_another_name_is_refused(tool, server, owner):
    make_file(tool, "x", CONTENT)
    url = f"https://localhost:{server.port}{BASE}"
    complaint = tool.complaint("--url", url, "put", "x", code=4)
    assert "cannot be trusted" in complaint and "check the name" in complaint


@pytest.mark.parametrize("content, words", [(None, "cannot be read"),
                                            (b"no pem", "no certificate")])
def test_an_authority_that_is_none(tool, content, words):
    make_file(tool, "x", CONTENT)
    if content:
        make_file(tool, "ca.pem", content)
    done = tool.run("--ca", tool.home / "ca.pem", "put", "x")
    assert done.code in (1, 2) and words in done.err and "ca.pem" in done.err


def test_the_password_goes_nowhere_over_plain_http(tool):
    make_file(tool, "x", CONTENT)
    assert tool.run("--url", "http://192.0.2.1/files", "put", "x").code == 2
