"""jabberfiles ls, rm and quota: the own area from anywhere."""

import json
import re

import pytest

from area_tool import make_tool
from config import Site
from http_script import HttpScript, answer

QUOTA_BYTES = 100 << 20
MANY = 1500


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs, base_lines=f"JabberFilesQuota {QUOTA_BYTES}\n"
                "JabberFilesTransferQuota 1G month")


@pytest.fixture
def start_script(start_script):
    """Starts a scripted server; returns a tool with an area there."""
    return lambda *script: start_script(script)[1]


# ls


def test_ls_shows_files_by_name_with_size_date_and_link(tool, owner):
    links = [owner.put(name, bytes(2048)).link for name in ("b ü.txt", "a.png")]
    head, *rows = tool("ls").splitlines()
    assert head.split() == ["SIZE", "CREATED", "(UTC)", "NAME", "LINK"]
    assert [row.split("  ")[-1].strip() for row in rows] == links[::-1]
    assert "2 KiB" in rows[0] and " a.png " in rows[0] and " b ü.txt " in rows[1]


def test_ls_shows_when_files_go(tool, owner):
    owner.put("x", b"", {"JabberFiles-Expire": "3600"})
    owner.put("y", b"")
    head, first, second = tool("ls").splitlines()
    assert "EXPIRES (UTC)" in head and first.count(":") == second.count(":") + 1


def test_ls_for_programs(tool, owner):
    link = owner.put("a.png", b"123", {"Content-Type": "image/png"}).link
    told, = tool.json("ls")
    assert (told["type"], told["path"], told["size_bytes"], told["content_type"], told["link"]) \
        == ("file", "a.png", 3, "image/png", link)
    assert told["expires"] is None and told["created"].endswith("Z")


def test_an_empty_area_is_said_to_be_empty(tool, owner):
    done = tool.run("ls")
    assert (done.code, done.stdout) == (0, b"")
    assert f"the area of {owner.jid} is empty" in done.err
    assert tool.run("-q", "ls").err == "" and tool.json("ls") == []


def test_ls_shows_all_pages(tool, owner):
    for number in range(MANY):
        owner.put(f"{number:04}", b"")
    assert [each["path"] for each in tool.json("ls")] == [f"{n:04}" for n in range(MANY)]


def test_put_here_is_seen_elsewhere(server, owner, tool, tmp_path):
    (tool.home / "x").write_bytes(b"from home")
    link = tool("put", "x").strip()
    work = make_tool(server, owner, tmp_path / "work")
    assert work.json("ls")[0]["link"] == link


def test_a_wrong_password_is_told(tool, owner):
    for command in (("ls",), ("quota",), ("rm", "x")):
        complaint = tool.complaint(*command, env={"JABBERFILES_PASSWORD": "wrong"}, code=4)
        assert f"does not accept the password of {owner.jid}" in complaint


def test_a_url_without_area_is_told(tool, server):
    assert "check the URL" in tool.complaint("--url", server.url("/nowhere"), "ls", code=3)


def test_without_url_the_way_to_one_is_told(tool, owner):
    tool.configure(jid=owner.jid)
    for command in (("ls",), ("quota",), ("rm", "x")):
        assert "JABBERFILES_URL" in tool.complaint(*command, code=2)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"files": 7}', b"\xff", b"<html>"])
def test_a_list_that_is_none(start_script, body):
    tool = start_script(answer(200, body))
    assert "no area of jabberfiles" in tool.complaint("ls", code=1)


def test_a_hostile_list_does_not_reach_the_terminal(start_script):
    files = [{"path": "\x1b[31mred\u202e", "size_bytes": -5, "link": "\x1b[2J", "expires": 12,
              "created": "\x1b]0;title\x07" + "x" * 20}, {"path": 7}, 9, None]
    tool = start_script(answer(200, json.dumps({"files": files}).encode()))
    out = tool("ls")
    assert "\\u{1b}[31mred\\u{202e}" in out
    assert "\x1b" not in out and "\u202e" not in out


def test_a_list_without_end_is_left(start_script):
    def page(exchange):
        here = f"http://{exchange.heard.headers['Host']}{exchange.heard.target}"
        exchange.answer(200, json.dumps({"files": [], "next": here}).encode())

    assert "has no end" in start_script(page).complaint("ls", code=1)


def test_the_next_page_is_never_asked_of_another_server(start_script):
    with HttpScript([answer(200, b'{"files": []}')]) as thief:
        page = {"files": [], "next": thief.url("/x")}
        tool = start_script(answer(200, json.dumps(page).encode()))
        assert "the password is not sent to" in tool.complaint("ls", code=4)
        assert thief.heard == []


def test_a_page_beyond_reason_is_not_kept(start_script):
    tool = start_script(answer(200, bytes(17 << 20)))
    assert "longer than it can be" in tool.complaint("ls", code=1)


# rm


def test_rm_deletes_and_the_link_is_gone(tool, owner):
    link = owner.put("a b#c?.txt", b"x").link
    done = tool.run("rm", "a b#c?.txt")
    assert (done.code, done.stdout) == (0, b"")
    assert owner.open_link(link).status == 404
    assert owner.listing()["files"] == []


def test_rm_of_several_goes_on_and_says_so(tool, owner):
    owner.put("a", b"")
    owner.put("b", b"")
    done = tool.run("rm", "a", "missing", "b")
    assert done.code == 8
    assert "missing: there is no such file in the area" in done.err
    assert owner.listing()["files"] == []


def test_rm_of_nothing_there(tool):
    assert '"jabberfiles ls"' in tool.complaint("rm", "missing", code=3)
    assert tool.run("rm", "one", "two").code == 3


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/", "/a", "a//b"])
def test_rm_takes_no_names_that_lead_elsewhere(tool, owner, name):
    owner.put("a", b"")
    assert tool.run("rm", name).code == 2
    assert len(owner.listing()["files"]) == 1


def test_rm_for_programs(tool, owner):
    owner.put("chat/a", b"")
    assert tool.json("rm", "chat/a") == [{"type": "deleted", "path": "chat/a"}]


# quota


def test_quota_in_words(tool, owner):
    owner.put("a", bytes(1536 << 10))
    disk, downloads = tool("quota").splitlines()
    assert disk == "disk:      1.5 MiB of 100 MiB used, 98.5 MiB left"
    assert re.fullmatch("downloads: 0 bytes of 1 GiB this month; the next period begins at "
                        "20..-..-01 00:00 UTC", downloads)


def test_quota_for_programs(tool, owner):
    owner.put("a", bytes(1000))
    told, = tool.json("quota")
    assert told["type"] == "quota" and told["area"] == owner.jid
    assert (told["used_bytes"], told["quota_bytes"]) == (1000, QUOTA_BYTES)
    assert told["transfer_quota_bytes"] == 1 << 30 and told["transfer_period"] == "month"


@pytest.mark.parametrize("members, disk, downloads", [
    ({"used_bytes": 1, "quota_bytes": None, "transfer_quota_bytes": None, "transfer_period": "day",
      "transferred_bytes": 5}, "1 byte used, no limit", "5 bytes today, no limit"),
    ({"used_bytes": 5, "quota_bytes": 4, "reserved_bytes": 2, "transfer_quota_bytes": 9,
      "transfer_period": "600", "transferred_bytes": None},
     "5 bytes of 4 bytes used, 2 bytes taken by uploads in progress, 0 bytes left",
     "these 600 seconds"),
    ({}, "an unknown number", "the server does not say"),
])
def test_quota_of_other_servers(start_script, members, disk, downloads):
    tool = start_script(answer(200, json.dumps({"files": [], **members}).encode()))
    first, second = tool("quota").splitlines()
    assert disk in first and downloads in second
