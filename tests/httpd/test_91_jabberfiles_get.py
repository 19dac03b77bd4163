"""jabberfiles get: links of friends and files of one's own, shown, asked about, saved and
checked."""

import hashlib
import os
import re
import time

import pytest

from client import area_path, link_path
from config import BASE, Site
from http_script import HttpScript, answer
from jabberfiles import Tool

CONTENT = bytes(range(256)) * 1000
DONE, FAILED, USAGE, NOT_FOUND, REFUSED, LIMIT, UNAVAILABLE, MISMATCH, PARTLY, DECLINED = range(10)
TYPE = {"Content-Type": "application/pdf"}


@pytest.fixture(scope="module")
def site(users):
    return Site(base_lines="JabberFilesTransferQuota 300000 month")


@pytest.fixture
def tool(env, tmp_path):
    """A friend, without an account."""
    return Tool(env, tmp_path / "home")


@pytest.fixture
def friend(tool):
    """Downloads links without being asked."""
    return lambda *args, **options: tool.run("get", "--yes", "--allow-private", *args, **options)


@pytest.fixture
def own_tool(env, tmp_path, server, owner):
    """The tool of the owner of an area, somewhere else."""
    return Tool(env, tmp_path / "own", JABBERFILES_JID=owner.jid,
                JABBERFILES_PASSWORD=owner.password, JABBERFILES_URL=server.url(BASE))


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


# Links


def test_link_is_saved_under_its_name(owner, friend, tool):
    link = owner.put("docs/report.pdf", CONTENT, TYPE).link
    done = friend(link)
    assert (done.code, done.out) == (DONE, "report.pdf\n"), done
    assert (tool.home / "report.pdf").read_bytes() == CONTENT
    assert names_in(tool.home) == ["report.pdf"]


@pytest.mark.parametrize("name", ["Übersicht € 2.pdf", "a b.txt", "100%.txt", "a#b?c&d.txt",
                                  "日本語"])
def test_names_of_all_kinds(owner, friend, tool, name):
    link = owner.put(name, b"x").link
    assert friend(link).out == f"{name}\n"
    assert names_in(tool.home) == [name]


def test_empty_file(owner, friend, tool):
    assert friend(owner.put("empty", b"").link).code == DONE
    assert (tool.home / "empty").read_bytes() == b""
    assert names_in(tool.home) == ["empty"]


def test_what_is_shown(owner, friend, server):
    link = owner.put("report.pdf", CONTENT, TYPE).link
    shown = friend(link).err
    for line in ("name  report.pdf", "size  250 KiB (256000 bytes)", "type  application/pdf",
                 f"host  127.0.0.1:{server.port}"):
        assert f"  {line}\n" in shown
    assert re.search(r"  date  \d{4}-\d\d-\d\d \d\d:\d\d\n", shown)


def test_quiet_says_nothing_but_the_path(owner, friend):
    done = friend("--quiet", owner.put("a.txt", b"x").link)
    assert (done.code, done.out, done.err) == (DONE, "a.txt\n", "")


def test_json(owner, friend, tool):
    link = owner.put("report.pdf", CONTENT, TYPE).link
    done = friend("--json", link)
    assert done.objects == [{"type": "file", "path": "report.pdf", "name": "report.pdf",
                             "size_bytes": len(CONTENT), "sha256": digest_of(CONTENT),
                             "media_type": "application/pdf", "url": link}]
    assert done.err == ""
    assert friend("--json", link).errors[0]["code"] == "precondition"


def test_date_is_that_of_the_server(owner, friend, tool):
    before = time.time() - 2
    link = owner.put("a.txt", b"x").link
    friend(link)
    assert before <= (tool.home / "a.txt").stat().st_mtime <= time.time()
    date = owner.open_link(link, "HEAD").header("Last-Modified")
    shown = time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                          time.gmtime((tool.home / "a.txt").stat().st_mtime))
    assert shown == date


# Where to


def test_directory(owner, friend, tool):
    (tool.home / "in").mkdir()
    done = friend("--directory", "in", owner.put("a.txt", b"x").link)
    assert done.out == "in/a.txt\n"
    assert (tool.home / "in" / "a.txt").read_bytes() == b"x"


def test_missing_directory_is_named(owner, friend):
    done = friend("--directory", "none", owner.put("a.txt", b"x").link)
    assert done.code == FAILED
    assert "none/a.txt.part" in done.err and "No such file or directory" in done.err


def test_output_names_the_file(owner, friend, tool):
    done = friend("-o", "other.bin", owner.put("a.txt", b"x").link)
    assert done.out == "other.bin\n"
    assert names_in(tool.home) == ["other.bin"]


def test_output_that_is_a_directory_or_device_is_refused(owner, friend, tool):
    link = owner.put("a.txt", b"x").link
    (tool.home / "in").mkdir()
    os.mkfifo(tool.home / "pipe")
    for path in ("in", "pipe", "/dev/null"):
        assert friend("--overwrite", "-o", path, link).code == USAGE
    assert names_in(tool.home) == ["in", "pipe"]


def test_standard_output_gets_the_content_alone(owner, friend, tool):
    done = friend("-o", "-", owner.put("a.bin", CONTENT).link)
    assert (done.code, done.stdout) == (DONE, CONTENT)
    assert names_in(tool.home) == []


def test_standard_output_that_is_wrong_is_told_at_the_end(friend):
    with HttpScript([answer(200, CONTENT)]) as web:
        done = friend("-o", "-", "--sha256", digest_of(b"else"), web.url("/a.bin"))
    assert (done.code, done.stdout) == (MISMATCH, CONTENT)
    assert "do not use" in done.err


def test_json_and_standard_output_do_not_mix(owner, friend):
    done = friend("--json", "-o", "-", owner.put("a.txt", b"x").link)
    assert (done.code, done.out) == (USAGE, "")


# What is there already


def test_existing_file_is_refused_before_anything_is_downloaded(friend, tool):
    (tool.home / "a.txt").write_text("mine")
    with HttpScript([answer(200, b"theirs")]) as web:
        done = friend(web.url("/a.txt"))
        assert web.methods() == ["HEAD"]
    assert done.code == REFUSED
    assert "a.txt exists" in done.err and "--overwrite" in done.err and "-o" in done.err
    assert (tool.home / "a.txt").read_text() == "mine"
    assert names_in(tool.home) == ["a.txt"]


def test_overwrite_replaces(owner, friend, tool):
    (tool.home / "a.txt").write_text("mine")
    assert friend("--overwrite", owner.put("a.txt", b"theirs").link).code == DONE
    assert (tool.home / "a.txt").read_bytes() == b"theirs"


def test_overwrite_replaces_a_symbolic_link_not_its_target(owner, friend, tool):
    (tool.home / "target").write_text("mine")
    (tool.home / "a.txt").symlink_to("target")
    link = owner.put("a.txt", b"theirs").link
    assert friend(link).code == REFUSED
    assert friend("--overwrite", link).code == DONE
    assert (tool.home / "target").read_text() == "mine"
    assert (tool.home / "a.txt").read_bytes() == b"theirs"
    assert not (tool.home / "a.txt").is_symlink()


def test_dangling_symbolic_link_is_not_written_through(owner, friend, tool):
    (tool.home / "a.txt").symlink_to("elsewhere")
    assert friend(owner.put("a.txt", b"theirs").link).code == REFUSED
    assert names_in(tool.home) == ["a.txt"]


def test_file_that_appears_meanwhile_is_not_replaced(friend, tool):
    def appear(exchange):
        (tool.home / "a.txt").write_text("mine")
        exchange.answer(200, b"theirs")

    with HttpScript([answer(200, b"theirs"), appear]) as web:
        assert friend(web.url("/a.txt")).code == REFUSED
    assert (tool.home / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("taken", ["a.txt.part", "a.txt.part.json"])
def test_files_that_look_like_ours_are_left_alone(owner, friend, tool, taken):
    (tool.home / taken).write_text("mine")
    done = friend(owner.put("a.txt", b"theirs").link)
    assert done.code == REFUSED
    assert f"{taken} is in the way" in done.err
    assert (tool.home / taken).read_text() == "mine"
    assert names_in(tool.home) == [taken]


def test_shared_file_with_the_name_of_a_part(owner, friend, tool):
    """"x.part.json" is not taken for the record of a download of "x"."""
    record = b'{"jabberfiles_part":1,"url":"https://evil.example/","size_bytes":1}'
    assert friend(owner.put("x.part.json", record).link).code == DONE
    assert friend(owner.put("x.part", b"evil").link).code == DONE
    assert friend(owner.put("x", b"good").link).code == DONE
    assert (tool.home / "x").read_bytes() == b"good"
    assert names_in(tool.home) == ["x", "x.part.json_", "x.part_"]


# Digests


def test_right_digest(owner, friend, tool):
    link = owner.put("a.bin", CONTENT).link
    assert friend("--sha256", digest_of(CONTENT), link).code == DONE
    assert (tool.home / "a.bin").read_bytes() == CONTENT


def test_wrong_digest_leaves_nothing(friend, tool):
    with HttpScript([answer(200, CONTENT, {"ETag": '"x"'})]) as web:
        done = friend("--sha256", digest_of(b"else"), web.url("/a.bin"))
    assert done.code == MISMATCH
    assert "SHA-256" in done.err and "nothing of it is kept" in done.err
    assert names_in(tool.home) == []


def test_digest_that_the_server_contradicts_costs_no_download(owner, friend, tool, server):
    link = owner.put("a.bin", CONTENT).link
    before = friend("--json", "-o", "b.bin", link)
    assert before.code == DONE
    done = friend("--sha256", digest_of(b"else"), link)
    assert done.code == MISMATCH
    assert names_in(tool.home) == ["b.bin"]


def test_wrong_digest_of_the_server_leaves_nothing(friend, tool):
    wrong = {"Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}
    with HttpScript([answer(200, CONTENT, wrong)]) as web:
        assert friend(web.url("/a.bin")).code == MISMATCH
    assert names_in(tool.home) == []


def test_server_is_asked_for_its_digest_and_for_nothing_packed(friend):
    with HttpScript([answer(200, b"x")]) as web:
        assert friend(web.url("/a.txt")).code == DONE
        for heard in web.heard:
            assert heard.headers["Want-Repr-Digest"] == "sha-256=10"
            assert heard.headers["Accept-Encoding"] == "identity"
            assert "Authorization" not in heard.headers
        assert web.methods() == ["HEAD", "GET"]


# Several


def test_several_files(owner, friend, tool):
    links = [owner.put(name, name.encode()).link for name in ("a", "b")]
    assert friend(*links).out == "a\nb\n"


def test_one_of_several_is_missing(owner, friend, tool, server):
    links = [owner.put("a", b"x").link, server.url(f"{BASE}/nothing/b"), owner.put("c", b"x").link]
    done = friend(*links)
    assert (done.code, done.out) == (PARTLY, "a\nc\n")
    assert "there is nothing at this address" in done.err


def test_all_of_several_are_missing(friend, server):
    assert friend(server.url(f"{BASE}/no/b"), server.url(f"{BASE}/no/c")).code == NOT_FOUND


@pytest.mark.parametrize("option", [("-o", "x"), ("--sha256", "0" * 64)])
def test_what_is_about_one_file(friend, option):
    done = friend(*option, "https://example.org/a", "https://example.org/b")
    assert done.code == USAGE


# Refusals of servers


def test_missing_file(friend, server, tool):
    done = friend(server.url(f"{BASE}/nothing/a.txt"))
    assert (done.code, done.out) == (NOT_FOUND, "")
    assert names_in(tool.home) == []


def test_used_up_transfer_quota_says_when_it_works_again(owner, friend, tool):
    link = owner.put("big.bin", bytes(300000)).link
    assert friend(link).code == DONE
    done = friend("-o", "again", link)
    # Strangers are not told the numbers, by which the tool would know the one limit from the other.
    assert done.code in (LIMIT, UNAVAILABLE)
    assert "used up" in done.err and re.search(r"try again on \d{4}-\d\d-\d\d at", done.err)
    assert names_in(tool.home) == ["big.bin"]


def test_error_of_the_get_alone_is_told_and_leaves_nothing(friend, tool):
    refusal = answer(403, b"members only\n", {"Content-Type": "text/plain"})
    with HttpScript([answer(200, CONTENT), refusal]) as web:
        done = friend(web.url("/a.bin"))
    assert done.code == REFUSED
    assert "members only" in done.err
    assert names_in(tool.home) == []


@pytest.mark.parametrize("status", [405, 501])
def test_server_without_head(friend, tool, status):
    script = [answer(status), answer(200, CONTENT)]
    with HttpScript(script) as web:
        done = friend(web.url("/a.bin"))
    assert done.code == DONE, done
    assert "size  unknown" in done.err
    assert (tool.home / "a.bin").read_bytes() == CONTENT


def test_server_that_is_busy_at_first(friend, tool):
    busy = answer(503, headers={"Retry-After": "1"})
    with HttpScript([busy, answer(200, b"x"), busy, answer(200, b"x")]) as web:
        assert friend(web.url("/a.txt")).code == DONE
        assert web.methods() == ["HEAD", "HEAD", "GET", "GET"]


# Files of one's own


def test_own_file_by_its_name(owner, own_tool):
    owner.put("docs/Übersicht.txt", b"mine")
    done = own_tool.run("get", "--yes", "docs/Übersicht.txt")
    assert (done.code, done.out) == (DONE, "Übersicht.txt\n"), done
    assert (own_tool.home / "Übersicht.txt").read_bytes() == b"mine"


def test_own_file_by_the_url_of_the_area(owner, own_tool, server):
    owner.put("a.txt", b"mine")
    done = own_tool.run("get", "--yes", server.url(area_path(owner.jid, "a.txt")))
    assert done.code == DONE, done


def test_own_file_that_is_not_there(own_tool):
    assert own_tool.run("get", "--yes", "a.txt").code == NOT_FOUND


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//b", "x/"])
def test_names_that_no_area_has(own_tool, name):
    assert own_tool.run("get", "--yes", name).code == USAGE


def test_name_without_an_account(tool):
    done = tool.run("get", "--yes", "a.txt")
    assert done.code == USAGE
    assert "jabberfiles login" in done.err


def test_wrong_password(owner, own_tool):
    owner.put("a.txt", b"mine")
    done = own_tool.run("get", "--yes", "a.txt", env={"JABBERFILES_PASSWORD": "wrong"})
    assert done.code == REFUSED
    assert "password" in done.err


def test_links_of_the_own_server_may_be_in_a_private_network(owner, own_tool):
    link = owner.put("a.txt", b"shared").link
    assert own_tool.run("get", "--yes", link).code == DONE


def test_the_rest_of_the_own_server_is_private_all_the_same(own_tool, server):
    for path in ("/ready.txt", "/files/../ready.txt", "/files/x/../../ready.txt",
                 "/files/%2e%2e/ready.txt", "/files2/x", "/files@x/y"):
        done = own_tool.run("get", "--yes", server.url(path))
        assert done.code == REFUSED, path
        assert "private address" in done.err


def test_password_stays_at_home(owner, own_tool):
    """Neither to links of other servers nor to links of the own one."""
    with HttpScript([answer(200, b"x")]) as web:
        assert own_tool.run("get", "--yes", "--allow-private", web.url("/a.txt")).code == DONE
        assert all("Authorization" not in heard.headers for heard in web.heard)


# On a terminal


def test_no_is_no(tool):
    with HttpScript([answer(200, b"x")]) as web, \
            tool.on_terminal("get", "--allow-private", web.url("/a.txt")) as terminal:
        terminal.expect("name  a.txt").answer("Download a.txt (1 byte", "n")
        assert terminal.finish().code == DECLINED
        assert web.methods() == ["HEAD"]
    assert names_in(tool.home) == []


def test_yes_is_yes(tool):
    with HttpScript([answer(200, b"x")]) as web, \
            tool.on_terminal("get", "--allow-private", web.url("/a.txt")) as terminal:
        terminal.answer("Download a.txt", "y")
        assert terminal.finish().code == DONE
    assert (tool.home / "a.txt").read_bytes() == b"x"


@pytest.mark.parametrize("reply", ["n", "y"])
def test_existing_file_is_asked_about(tool, reply):
    (tool.home / "a.txt").write_text("mine")
    with HttpScript([answer(200, b"x")]) as web, \
            tool.on_terminal("get", "--allow-private", web.url("/a.txt")) as terminal:
        terminal.answer("Download a.txt", "y").answer("a.txt exists. Replace it?", reply)
        assert terminal.finish().code == (DONE if reply == "y" else DECLINED)
    assert (tool.home / "a.txt").read_text() == ("x" if reply == "y" else "mine")
    assert names_in(tool.home) == ["a.txt"]


def test_nobody_to_ask(tool):
    with HttpScript([answer(200, b"x")]) as web:
        done = tool.run("get", "--allow-private", web.url("/a.txt"))
        assert web.methods() == ["HEAD"]
    assert done.code == USAGE
    assert "--yes" in done.err


# TLS


@pytest.fixture
def tls_server(start_server, certs):
    return start_server(Site(certificates=certs, http2=True))


def test_tls_with_an_own_authority(tls_server, users, friend, certs, tool):
    link = users.client(tls_server).put("a.bin", CONTENT).link
    assert link.startswith("https://")
    done = friend(link)
    assert done.code == REFUSED and "--ca" in done.err
    assert friend("--ca", certs.ca, link).code == DONE
    assert (tool.home / "a.bin").read_bytes() == CONTENT


def test_link_keeps_working_by_path(owner, friend, server):
    """The scheme and the host may be written in capitals."""
    link = owner.put("a.txt", b"x").link
    assert friend(f"HTTP://127.0.0.1:{server.port}{link_path(link)}").code == DONE
