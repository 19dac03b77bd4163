"""jabberfiles login: sets the account up, but only one that works."""

import socket
import stat

import pytest

from jabber_pair import HOST, KINDS, MAX_FILE_BYTES, UPLOAD_HOST
from jabber_site import jabber_site
from jabberfiles import INTERRUPT, Tool

USAGE, REFUSED, UNAVAILABLE, DECLINED, INTERRUPTED = 2, 4, 6, 9, 130
OLD_CONFIG = f"# who I was\njid = other@{HOST}\npassword = of the other\n# end\n"


@pytest.fixture(scope="module", params=KINDS)
def pair(request, pairs):
    return pairs.get(request.param)


@pytest.fixture(scope="module")
def site(pair, program):
    """File areas whose users log in with the password of that Jabber server."""
    return jabber_site(program, pair.xmpp.domain_line(HOST))


@pytest.fixture
def url(server):
    return server.url("/files")


@pytest.fixture
def user(pair):
    return pair.new_user()


@pytest.fixture
def tool(env, tmp_path):
    return Tool(env, tmp_path / "home")


@pytest.fixture
def closed_port():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def as_input(password):
    return f"{password}\n".encode()


def values(tool):
    """The configuration as a dictionary."""
    lines = tool.config.read_text("utf-8").splitlines()
    return dict(line.split(" = ", 1) for line in lines if line and not line.startswith("#"))


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


# What it does


def test_asks_tries_and_saves(tool, pair, user, url):
    with tool.on_terminal("login", *pair.options) as terminal:
        terminal.answer("Jabber ID, as alice@example.org: ", user.jid)
        terminal.expect(f"Password of {user.jid}: ")
        assert not terminal.is_echoing
        terminal.type(user.password)
        terminal.answer("URL of the file areas (empty: there are none): ", url)
        done = terminal.finish()
    assert done.code == 0, done
    assert f"{UPLOAD_HOST} takes files up to {MAX_FILE_BYTES >> 20} MiB" in done.out
    assert "the file area works: 0 bytes of 500 MiB are used" in done.out
    assert "jabberfiles send FILE friend@example.org" in done.lines[-1]
    assert user.password not in done.out
    assert values(tool) == {"jid": user.jid, "password": user.password, "url": url,
                            "connect": f"127.0.0.1:{pair.xmpp.ports['c2s']}",
                            "ca": str(pair.ca)}
    assert (mode_of(tool.config), mode_of(tool.config.parent)) == (0o600, 0o700)


def test_what_it_saved_is_all_that_is_needed(tool, pair, user, url):
    tool("login", user.jid, "--url", url, *pair.options, stdin=as_input(user.password))
    (tool.home / "a.txt").write_text("content")
    assert "a.txt" in tool("put", "a.txt")
    assert "a.txt" in tool("ls")


def test_without_a_terminal_the_password_is_a_line_of_standard_input(tool, pair, user, url):
    done = tool.run("login", "--json", user.jid, "--url", url, *pair.options,
                    stdin=as_input(user.password) + b"more\n")
    assert (done.code, done.stderr) == (0, b""), done
    assert done.objects == [{"type": "login", "jid": user.jid, "config": str(tool.config),
                             "upload_service": UPLOAD_HOST, "url": url}]
    assert values(tool)["password"] == user.password


def test_an_area_is_no_must(tool, pair, user):
    with tool.on_terminal("login", user.jid, *pair.options) as terminal:
        terminal.answer("Password of", user.password).answer("URL of", "")
        done = terminal.finish()
    assert done.code == 0 and "url" not in values(tool), done


def test_comments_and_other_keys_stay(tool, pair, user):
    tool.configure(f"# mine\njid = {user.jid}\n# of last year\npassword = old\n"
                   f"ca = {pair.ca}\n# end\n")
    tool("login", *pair.options[:2], "--jid", user.jid, stdin=as_input(user.password))
    assert tool.config.read_text("utf-8") == (
        f"# mine\njid = {user.jid}\n# of last year\npassword = {user.password}\n"
        f"ca = {pair.ca}\n# end\nconnect = {pair.options[1]}\n")


def test_the_password_of_the_environment_is_taken(tool, pair, user):
    tool("login", *pair.options, env=pair.variables(user))
    assert values(tool)["password"] == user.password


# Passwords that are elsewhere


def test_a_password_file_is_named_and_not_copied(tool, pair, user, url):
    secret = tool.home / "secret"
    secret.write_text(f"{user.password}\nnotes\n", encoding="utf-8")
    secret.chmod(0o600)
    tool("login", user.jid, "--password-file", "secret", "--url", url, *pair.options)
    assert values(tool)["password-file"] == str(secret)
    assert user.password not in tool.config.read_text("utf-8")
    tool("ls", cwd=tool.home.parent)


def test_a_password_command_is_named_and_not_copied(tool, pair, user, url):
    tool.configure(f"jid = {user.jid}\npassword = old\n")
    command = f"cat {tool.home}/secret"
    (tool.home / "secret").write_text(f"{user.password}\n", encoding="utf-8")
    tool("login", user.jid, "--password-command", command, "--url", url, *pair.options)
    assert values(tool)["password-command"] == command
    assert "password" not in values(tool)
    tool("ls")


def test_a_command_that_fails_is_told(tool, pair, user):
    error = tool.complaint("login", user.jid, "--quiet", "--password-command", "exit 7",
                           *pair.options, code=USAGE)
    assert "exit code 7" in error
    assert not tool.config.exists()


# What it does not do


def test_nothing_is_saved_if_the_password_is_wrong(tool, pair, user, url):
    error = tool.complaint("login", user.jid, "--quiet", "--url", url, *pair.options,
                           stdin=b"wrong\n", code=REFUSED)
    assert "password" in error and "wrong\n" not in error.replace("password is wrong", "")
    assert not tool.config.exists()


def test_what_was_saved_stays_if_the_password_is_wrong(tool, pair, user):
    before = f"jid = {user.jid}\npassword = old\n"
    tool.configure(before)
    tool("login", user.jid, *pair.options, stdin=b"wrong\n", code=REFUSED)
    assert tool.config.read_text("utf-8") == before


def test_an_area_that_works_does_not_excuse_a_jabber_server_that_nobody_vouches_for(
        tool, pair, user, url):
    error = tool.complaint("login", user.jid, "--yes", "--quiet", "--url", url,
                           *pair.options[:2], stdin=as_input(user.password), code=REFUSED)
    assert "certificate" in error
    assert not tool.config.exists()


def test_nothing_is_saved_if_the_area_does_not_work(tool, pair, user, closed_port):
    tool("login", user.jid, "--url", f"http://127.0.0.1:{closed_port}/files", *pair.options,
         stdin=as_input(user.password), code=UNAVAILABLE)
    assert not tool.config.exists()


def test_nothing_is_saved_if_no_server_works(tool, pair, user, closed_port):
    tool("login", user.jid, "--connect", f"127.0.0.1:{closed_port}", "--ca", pair.ca,
         stdin=as_input(user.password), code=UNAVAILABLE)
    assert not tool.config.exists()


def test_an_area_alone_is_saved_after_a_yes(tool, pair, user, url, closed_port):
    args = ("login", user.jid, "--url", url, "--connect", f"127.0.0.1:{closed_port}",
            "--ca", pair.ca)
    error = tool.complaint(*args, "--quiet", stdin=as_input(user.password), code=USAGE)
    assert "--yes" in error and not tool.config.exists()
    tool(*args, "--yes", stdin=as_input(user.password))
    assert values(tool)["url"] == url
    assert tool("ls", "--quiet") is not None


def test_another_account_is_replaced_after_a_yes_only(tool, pair, user):
    tool.configure(OLD_CONFIG)
    args = ("login", user.jid, *pair.options)
    assert "--yes" in tool.complaint(*args, stdin=as_input(user.password), code=USAGE)
    with tool.on_terminal(*args) as terminal:
        terminal.answer(f"Replace the account other@{HOST} by {user.jid}? [y/N] ", "n")
        assert terminal.finish().code == DECLINED
    assert tool.config.read_text("utf-8") == OLD_CONFIG
    with tool.on_terminal(*args) as terminal:
        terminal.answer("[y/N] ", "y").answer("Password of", user.password).answer("URL of", "")
        assert terminal.finish().code == 0
    assert values(tool)["jid"] == user.jid
    assert "of the other" not in tool.config.read_text("utf-8")


def test_a_password_that_the_configuration_cannot_have_is_refused(tool, pair, user):
    error = tool.complaint("login", user.jid, *pair.options, stdin=b" begins with a space\n",
                           code=USAGE)
    assert "--password-file" in error
    assert not tool.config.exists()


def test_an_interrupt_at_the_password_leaves_all_as_it_was(tool, pair, user):
    with tool.on_terminal("login", user.jid, *pair.options) as terminal:
        terminal.expect("Password of").type(INTERRUPT)
        done = terminal.finish()
        assert terminal.is_echoing
    assert done.code == INTERRUPTED and "interrupted" in done.out
    assert not tool.config.exists()


def test_without_a_jid_and_a_terminal_it_says_the_usage(tool):
    assert "jabberfiles login JID" in tool.complaint("login", code=USAGE)
