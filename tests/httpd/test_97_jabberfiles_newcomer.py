"""jabberfiles as somebody meets it who has never used it: from an empty home directory to a sent
file in three commands, and whatever goes wrong on the way says what to do next.

The only thing that no newcomer types is where the servers of these tests are: the first command
gets that, and it must be enough."""

import socket

import pytest

from announcing import bodies, wait_for_bodies
from jabber_pair import HOST, KINDS
from jabberfiles import Tool
from xmpp_client import ChatClient

USAGE, FAILED, NOT_FOUND, REFUSED, LIMIT, UNAVAILABLE, PARTLY = 2, 1, 3, 4, 5, 6, 8
CONTENT = bytes(range(256)) * 400


@pytest.fixture
def pair(pairs):
    """Where it does not matter which server it is."""
    return pairs.get("prosody")


@pytest.fixture
def alice(pair):
    return pair.new_user()


@pytest.fixture
def tool(env, tmp_path):
    """Nothing in the home directory, nothing in the environment."""
    made = Tool(env, tmp_path / "home")
    assert list(made.home.iterdir()) == []
    return made


@pytest.fixture
def log_in(tool, pair, alice):
    """What the newcomer does first, and does right."""
    def run():
        (tool.home / "report.pdf").write_bytes(CONTENT)
        tool("login", alice.jid, *pair.options, stdin=f"{alice.password}\n".encode())

    return run


def says(done, code, *hints):
    """The tool has failed, and its last word is a sentence with these hints."""
    assert done.code == code, done
    last = done.err.splitlines()[-1]
    assert last.startswith("jabberfiles: ") and "\\u{" not in last
    for hint in hints:
        assert hint in last, (hint, last)


# The way


@pytest.mark.parametrize("kind", KINDS)
def test_three_commands_from_nothing_to_a_sent_file(env, tmp_path, pairs, kind):
    pair = pairs.get(kind)
    alice, bob = pair.new_users(2)
    tool = Tool(env, tmp_path / "home")
    (tool.home / "report.pdf").write_bytes(CONTENT)

    # 1. What can it do? The help names the next step.
    assert "jabberfiles login" in tool("--help")
    # 2. The account.
    with tool.on_terminal("login", *pair.options) as terminal:
        terminal.answer("Jabber ID", alice.jid)
        terminal.answer(f"Password of {alice.jid}", alice.password)
        terminal.answer("URL of the file areas", "")
        done = terminal.finish()
    assert done.code == 0
    assert "jabberfiles send" in done.lines[-1]
    # 3. The file. Nothing but what and to whom.
    done = tool.run("send", "report.pdf", bob.jid)
    assert done.code == 0 and bob.jid in done.out, done

    with ChatClient(pair.xmpp, bob) as phone:
        wait_for_bodies(phone)
        (url,) = bodies(phone)
        assert pair.download(url) == CONTENT


def test_the_friend_receives_it_with_the_same_tool(env, tmp_path, tool, pair, log_in):
    log_in()
    bob = pair.new_user()
    friend = Tool(env, tmp_path / "friend")
    friend("login", bob.jid, *pair.options, stdin=f"{bob.password}\n".encode())
    tool("send", "report.pdf", bob.jid)
    done = friend.run("receive", "--yes", "--count", "1", "--allow-private")
    assert done.code == 0 and "saved as report.pdf" in done.out, done
    assert (friend.home / "report.pdf").read_bytes() == CONTENT


# Before there is an account


def test_nothing_at_all(tool):
    says(tool.run(), USAGE, "jabberfiles --help")


@pytest.mark.parametrize("args", [("send", "report.pdf", "bob@example.org"), ("put", "report.pdf"),
                                  ("announce", "https://example.org/x", "bob@example.org"),
                                  ("receive",), ("ls",), ("rm", "x"), ("quota",), ("get", "x")],
                         ids=lambda args: args[0])
def test_a_command_without_an_account_names_login(tool, args):
    (tool.home / "report.pdf").write_bytes(CONTENT)
    says(tool.run(*args), USAGE, "jabberfiles login")


def test_a_command_that_is_none(tool):
    says(tool.run("sned", "x", "bob@example.org"), USAGE, "sned", "send")


def test_an_option_that_is_none(tool):
    says(tool.run("send", "--mesage", "x"), USAGE, "--mesage", "--message")


def test_a_command_that_needs_more(tool):
    says(tool.run("send"), USAGE, "FILE", "JID")


# The account


@pytest.mark.parametrize("jid", ["alice", "alice@", "@example.org", "alice example.org", "a b@c.d"])
def test_what_is_no_jabber_id(tool, jid):
    says(tool.run("login", jid), USAGE, "alice@example.org")


def test_a_wrong_password(tool, pair, alice):
    done = tool.run("login", alice.jid, *pair.options, stdin=b"wrong\n")
    says(done, REFUSED, "password")
    assert not tool.config.exists()


def test_a_server_that_is_not_found(tool):
    done = tool.run("login", "alice@no-such-host.invalid", stdin=b"secret\n")
    says(done, UNAVAILABLE, "--connect")
    assert not tool.config.exists()


def test_a_server_that_does_not_listen(tool, alice):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = tool.run("login", alice.jid, "--connect", place, stdin=b"secret\n")
    says(done, UNAVAILABLE, place.split(":")[1])


def test_an_authority_that_is_not_known(tool, pair, alice):
    done = tool.run("login", alice.jid, *pair.options[:2], stdin=f"{alice.password}\n".encode())
    says(done, REFUSED, "certificate", "--ca")
    assert not tool.config.exists()


def test_a_password_on_the_command_line_is_no_option(tool, alice):
    done = tool.run("login", alice.jid, "--password", "secret")
    says(done, USAGE, "--password")
    assert "secret" not in done.err


def test_a_configuration_that_others_may_read(tool, log_in):
    log_in()
    tool.config.chmod(0o644)
    says(tool.run("quota"), REFUSED, str(tool.config), "chmod 600")


def test_a_configuration_with_a_mistake(tool, log_in):
    log_in()
    tool.config.write_text(tool.config.read_text("utf-8") + "pasword = x\n", encoding="utf-8")
    says(tool.run("quota"), USAGE, str(tool.config), "pasword")


# The file


def test_a_file_that_is_not_there(tool, log_in):
    log_in()
    done = tool.run("send", "raport.pdf", "bob@example.org")
    assert done.code in (FAILED, USAGE, NOT_FOUND)
    says(done, done.code, "raport.pdf")


def test_a_directory(tool, log_in):
    log_in()
    (tool.home / "photos").mkdir()
    says(tool.run("send", "photos", "bob@example.org"), USAGE, "photos", "tar")


def test_a_forgotten_recipient(tool, log_in):
    log_in()
    says(tool.run("send", "report.pdf"), USAGE, "JID")


def test_a_recipient_that_nobody_is(tool, pair, log_in):
    log_in()
    bob = pair.new_user()
    done = tool.run("send", "report.pdf", bob.jid, f"nobody-there@{HOST}")
    assert done.code == PARTLY, done
    assert any(bob.jid in line for line in done.lines)
    assert f"nobody-there@{HOST}" in done.out + done.err


def test_a_file_that_is_too_large(tool, log_in):
    log_in()
    with open(tool.home / "film.mkv", "wb") as film:
        film.truncate(9 << 20)
    says(tool.run("send", "film.mkv", f"bob@{HOST}"), LIMIT, "9 MiB", "8 MiB")


def test_put_without_an_area(tool, log_in):
    """A Jabber server with an upload service is enough for put as well."""
    log_in()
    done = tool.run("put", "report.pdf")
    assert done.code == 0 and done.out.startswith("https://"), done


def test_ls_without_an_area_says_how_to_get_one(tool, log_in):
    log_in()
    says(tool.run("ls"), USAGE, "URL", "jabberfiles login")
