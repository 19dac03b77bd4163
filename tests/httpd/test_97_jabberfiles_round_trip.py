"""From home to work: what is put here is listed and fetched there, with the same account. And as
cron does it: no terminal, nothing but variables."""

import os

import pytest

from area_tool import make_tool
from config import BASE, Site
from jabberfiles import Tool

NOT_FOUND, REFUSED = 3, 4
CONTENT = os.urandom(200_000)
NAMES = ("report.pdf", "two words.txt", "Überraschung.png", "100% #1?.txt")


@pytest.fixture(scope="module")
def site(certs):
    return Site(certificates=certs, http2=True)


@pytest.fixture
def home(server, owner, tmp_path):
    return make_tool(server, owner, tmp_path / "home")


@pytest.fixture
def work(server, owner, tmp_path):
    return make_tool(server, owner, tmp_path / "work")


def make_file(tool, name, content=CONTENT):
    (tool.home / name).write_bytes(content)
    return name


@pytest.mark.parametrize("name", NAMES)
def test_put_here_ls_and_get_there(home, work, name):
    link = home("put", make_file(home, name)).strip()
    (listed,) = work.json("ls")
    assert (listed["path"], listed["size_bytes"], listed["link"]) == (name, len(CONTENT), link)
    assert name in work("ls")
    assert work("get", "--yes", name).strip() == name
    assert (work.home / name).read_bytes() == CONTENT


def test_the_link_is_as_good_as_the_name(home, work):
    link = home("put", make_file(home, "a.bin")).strip()
    work("get", "--yes", link)
    work("get", "--yes", "--output", "again", work.json("ls")[0]["url"])
    assert (work.home / "a.bin").read_bytes() == CONTENT
    assert (work.home / "again").read_bytes() == CONTENT


def test_what_is_there_is_not_replaced_unasked(home, work):
    home("put", make_file(home, "a.bin"))
    make_file(work, "a.bin", b"mine")
    assert "--overwrite" in work.complaint("get", "--yes", "a.bin", code=REFUSED)
    assert (work.home / "a.bin").read_bytes() == b"mine"
    work("get", "--yes", "--overwrite", "a.bin")
    assert (work.home / "a.bin").read_bytes() == CONTENT


def test_a_newer_version_comes_in_the_place_of_the_old_one(home, work):
    home("put", make_file(home, "a.bin", b"old"))
    work("get", "--yes", "a.bin")
    home("put", make_file(home, "a.bin", b"newer"))
    work("get", "--yes", "--overwrite", "a.bin")
    assert (work.home / "a.bin").read_bytes() == b"newer"
    assert len(work.json("ls")) == 1


def test_what_is_deleted_there_is_gone_here(home, work):
    home("put", make_file(home, "a.bin"))
    work("rm", "a.bin")
    assert home.json("ls") == []
    assert "a.bin" in home.complaint("get", "--yes", "--directory", ".", "a.bin", code=NOT_FOUND)


def test_another_account_does_not_see_it(home, server, new_owner, tmp_path):
    home("put", make_file(home, "a.bin"))
    stranger = make_tool(server, new_owner(), tmp_path / "stranger")
    assert stranger.json("ls") == []
    stranger.complaint("get", "--yes", "a.bin", code=NOT_FOUND)
    theirs = home.json("ls")[0]["url"]
    assert stranger.run("get", "--yes", theirs).code in (NOT_FOUND, REFUSED)
    assert not (stranger.home / "a.bin").exists()


# As cron does it


@pytest.fixture
def cron(env, server, owner, certs, tmp_path):
    """Nothing of a session: no terminal, no locale, an empty home directory."""
    tool = Tool(env, tmp_path / "cron", JABBERFILES_JID=owner.jid, TERM=None, LC_ALL=None,
                JABBERFILES_PASSWORD=owner.password, JABBERFILES_URL=server.url(BASE))

    def run(*args, **options):
        return tool.run(args[0], "--ca", certs.ca, *args[1:], **options)

    return run


def test_variables_are_all_that_cron_needs(cron, owner):
    done = cron("put", "--name", "backup.tar", "-", stdin=CONTENT)
    assert done.code == 0, done
    assert owner.open_link(done.out.strip()).body == CONTENT
    assert "backup.tar" in cron("ls").out
    done = cron("get", "--yes", "--output", "-", "backup.tar")
    assert (done.code, done.stdout) == (0, CONTENT)
    assert cron("rm", "backup.tar").code == 0
    assert owner.listing()["files"] == []


def test_a_service_without_a_home_directory_needs_none(cron, owner):
    done = cron("put", "--name", "backup.tar", "-", stdin=CONTENT, env={"HOME": None})
    assert done.code == 0, done
    assert owner.open_link(done.out.strip()).body == CONTENT


def test_quiet_says_nothing_but_the_link(cron):
    done = cron("put", "--quiet", "--name", "backup.tar", "-", stdin=CONTENT)
    assert done.err == "" and len(done.lines) == 1


def test_nobody_waits_for_an_answer_that_cannot_come(cron):
    cron("put", "--name", "backup.tar", "-", stdin=CONTENT)
    done = cron("get", "backup.tar")
    assert done.code == 2 and "--yes" in done.err, done


def test_a_name_in_another_alphabet_survives_without_a_locale(cron, owner):
    done = cron("put", "--name", "Überraschung.png", "-", stdin=CONTENT)
    assert done.code == 0, done
    assert [file["path"] for file in owner.listing()["files"]] == ["Überraschung.png"]


def test_a_password_that_is_wrong_is_told_and_shown_nowhere(cron):
    done = cron("ls", env={"JABBERFILES_PASSWORD": "not the right one"})
    assert done.code == REFUSED
    assert "password" in done.err and "not the right one" not in done.err


def test_a_variable_that_is_missing_is_named(cron):
    assert "JABBERFILES_URL" in cron("ls", env={"JABBERFILES_URL": None}).err
    assert "JABBERFILES_JID" in cron("ls", env={"JABBERFILES_JID": None}).err
    assert "JABBERFILES_PASSWORD" in cron("ls", env={"JABBERFILES_PASSWORD": None}).err
