"""The command line of jabberfiles: help, errors, exit codes, what is printed where."""

import hashlib
import os
import re
import socket
import subprocess

import pytest

from config import Site
from jabberfiles import INTERRUPT, Tool
from records import wait_until

COMMANDS = ["send", "put", "announce", "get", "receive", "ls", "rm", "quota", "login"]
DONE, FAILED, USAGE, NOT_FOUND, REFUSED = range(5)
LIMIT, UNAVAILABLE, MISMATCH, PARTLY, DECLINED = range(5, 10)
INTERRUPTED = 130
QUOTA_BYTES = 40 << 20
UPLOAD_RATE = 1 << 20
SLOW_BYTES = 2 << 20
# More than the kernels on both sides keep.
ENDLESS_BYTES = 32 << 20


@pytest.fixture(scope="module")
def site():
    return Site(base_lines=f"JabberFilesQuota {QUOTA_BYTES}\nJabberFilesUploadRate {UPLOAD_RATE}",
                server_lines="ReceiveBufferSize 65536\n")


def make_file(path, size_bytes):
    """A file of zeros that takes no room."""
    with open(path, "wb") as file:
        file.truncate(size_bytes)


@pytest.fixture
def stranger_tool(env, tmp_path):
    """The tool of somebody who has set up nothing."""
    return Tool(env, tmp_path / "home")


@pytest.fixture
def tool(env, tmp_path, server, owner):
    """The tool of somebody with a file area and the file a.txt."""
    made = Tool(env, tmp_path / "home", JABBERFILES_URL=server.url("/files"),
                JABBERFILES_JID=owner.jid, JABBERFILES_PASSWORD=owner.password)
    (made.home / "a.txt").write_text("content")
    return made


@pytest.fixture
def link(tool):
    """A link to a.txt, which is in the area."""
    return tool("put", "a.txt").strip()


@pytest.fixture
def slow_file(tool):
    (tool.home / "slow.bin").write_bytes(os.urandom(SLOW_BYTES))
    return "slow.bin"


@pytest.fixture
def endless_file(tool):
    """A file whose upload lasts longer than any test."""
    make_file(tool.home / "endless.bin", ENDLESS_BYTES)
    return "endless.bin"


@pytest.fixture
def closed_port():
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def completion(env):
    """What bash offers after a line."""
    path = os.path.join(env.builddir, "tools", "jabberfiles", "jabberfiles.bash")

    def complete(*words, cwd="."):
        script = f"source '{path}'; COMP_WORDS=(jabberfiles \"$@\"); COMP_CWORD=$#; " \
            "compopt() { :; }; _jabberfiles; printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", script, "bash", *words], check=True, text=True,
                              stdout=subprocess.PIPE, cwd=cwd)
        return done.stdout.split("\n")[:-1]

    return complete


# Help, man page and completion have one source


def test_help_names_all_commands(stranger_tool):
    text = stranger_tool("--help")
    assert [line.split()[0] for line in text.partition("Commands:\n")[2].partition("\n\n")[0]
            .splitlines()] == COMMANDS


def help_of(tool, command):
    return tool(command, "--help")


def options_in(text):
    """The long options at the begin of lines."""
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", text, re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(stranger_tool, command):
    text = help_of(stranger_tool, command)
    assert text.startswith(f"Usage: jabberfiles {command} [OPTION]...")
    assert {"--json", "--quiet", "--config", "--ca", "--help"} <= options_in(text)
    assert all(len(line) < 100 for line in text.splitlines())


def test_the_man_page_has_all_of_it_and_no_mistakes(stranger_tool, env):
    page = os.path.join(env.builddir, "tools", "jabberfiles", "jabberfiles.1")
    done = subprocess.run(["man", "--warnings", "-l", page], check=True, capture_output=True,
                          text=True, env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
    assert done.stderr == ""
    text = re.sub(".\b", "", done.stdout)
    for command in COMMANDS:
        assert f"jabberfiles {command} [option" in text
        for option in options_in(help_of(stranger_tool, command)):
            assert option in text.replace("‐", "-"), option


def test_bash_completes_commands_options_and_files(completion, stranger_tool):
    (stranger_tool.home / "report one.pdf").touch()
    assert completion("") == COMMANDS
    assert completion("re") == ["receive"]
    assert completion("--json", "qu") == ["quota"]
    assert completion("send", "rep", cwd=stranger_tool.home) == ["report one.pdf"]
    assert completion("get", "--output", "rep", cwd=stranger_tool.home) == ["report one.pdf"]
    assert completion("--url", "x", "l") == ["ls", "login"]
    assert completion("put", "--name", "rep", cwd=stranger_tool.home) == [""]
    assert completion("ls", "rep", cwd=stranger_tool.home) == [""]


def test_zsh_takes_its_completion(env, tmp_path):
    directory = os.path.join(env.builddir, "tools", "jabberfiles")
    script = "fpath=($1 $fpath); autoload -Uz compinit && compinit -u -d $2 && " \
        "print -- $_comps[jabberfiles] && autoload +X $_comps[jabberfiles]"
    done = subprocess.run(["zsh", "-fc", script, "zsh", directory, tmp_path / "dump"], check=True,
                          text=True, capture_output=True)
    assert (done.stdout, done.stderr) == ("_jabberfiles\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_bash_completes_the_options_that_a_command_knows(completion, stranger_tool, command):
    assert set(completion(command, "--")) == options_in(help_of(stranger_tool, command))


# Wrong usage


@pytest.mark.parametrize("args, hint", [
    ([], "--help"),
    (["sned", "x"], 'do you mean "send"?'),
    (["ls", "--jason"], "do you mean --json?"),
    (["rm"], "jabberfiles rm [OPTION]... NAME..."),
    (["send", "a.txt"], "jabberfiles send [OPTION]... FILE... JID..."),
    (["put", "--output", "x", "y"], "put does not know the option --output, which is one of get"),
    (["put", "--expires", "soon", "y"], "--expires: "),
    (["ls", "--url", "http://example.org/"], "--url must begin with https://"),
    (["ls", "--jid", "example.org"], "--jid must be a Jabber ID"),
    (["ls", "--connect", "example.org"], "--connect must be HOST:PORT"),
    (["ls", "--config", "missing"], "jabberfiles login"),
])
def test_wrong_usage_says_what_would_be_right(stranger_tool, args, hint):
    error = stranger_tool.complaint(*args, code=USAGE)
    assert error.startswith("jabberfiles: ") and error.count("\n") == 1
    assert hint in error


@pytest.mark.parametrize("args", [["ls", "--frob"], ["frob"], ["rm"], ["ls"]])
def test_errors_are_json_if_that_is_asked_for(stranger_tool, args):
    done = stranger_tool.run(*args, "--json")
    assert done.code == USAGE and done.stdout == b""
    [error] = done.errors
    assert (error["type"], error["code"], error["exit_code"]) == ("error", "invalid", USAGE)
    assert error["message"]


def test_what_is_typed_does_not_reach_the_terminal_as_it_is(stranger_tool):
    error = stranger_tool.complaint("\x1b]0;x\x07", code=USAGE)
    assert "\x1b" not in error and "\\u{1b}]0;x\\u{7}" in error


# From nothing


@pytest.mark.parametrize("args", [["ls"], ["quota"], ["rm", "x"], ["put", "a.txt"], ["receive"],
                                  ["send", "a.txt", "bob@example.org"]])
def test_without_an_account_the_next_step_is_told(stranger_tool, args):
    (stranger_tool.home / "a.txt").write_text("content")
    assert "jabberfiles login" in stranger_tool.complaint(*args, code=USAGE)


def test_without_a_password_the_next_step_is_told(tool):
    error = tool.complaint("ls", env={"JABBERFILES_PASSWORD": None}, code=USAGE)
    assert "jabberfiles login" in error and "JABBERFILES_PASSWORD" in error


def test_the_password_is_asked_for_on_a_terminal(tool, owner):
    with tool.on_terminal("ls", env={"JABBERFILES_PASSWORD": None}) as terminal:
        terminal.answer(f"Password of {owner.jid}: ", owner.password)
        done = terminal.finish()
    assert done.code == DONE and owner.password not in done.out


# The configuration


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_configuration_that_others_may_read_or_write_is_refused(stranger_tool, mode):
    stranger_tool.configure(jid="alice@example.org", mode=mode)
    error = stranger_tool.complaint("ls", code=REFUSED)
    assert f"chmod 600 '{stranger_tool.config}'" in error


def test_a_password_file_that_others_may_read_is_refused(stranger_tool, server):
    (stranger_tool.home / "secret").write_text("x\n")
    stranger_tool.configure(jid="alice@example.org", url=server.url("/files"),
                            password_file="~/secret")
    (stranger_tool.home / "secret").chmod(0o644)
    assert "chmod 600" in stranger_tool.complaint("ls", code=REFUSED)


def test_what_is_wrong_in_the_configuration_is_told_with_its_line(stranger_tool):
    stranger_tool.configure("jid = alice@example.org\npasword = hunter2\n")
    error = stranger_tool.complaint("ls", code=USAGE)
    assert f"{stranger_tool.config}:2:" in error and "password" in error
    assert "hunter2" not in error


def test_the_configuration_is_enough(stranger_tool, server, owner):
    stranger_tool.configure(jid=owner.jid, password=owner.password, url=server.url("/files"))
    stranger_tool("ls")


def test_it_is_found_by_xdg_config_home(stranger_tool, server, owner):
    stranger_tool.configure(jid=owner.jid, password=owner.password, url=server.url("/files"))
    elsewhere = stranger_tool.home / "elsewhere"
    (stranger_tool.home / ".config").rename(elsewhere)
    stranger_tool("ls", code=USAGE)
    stranger_tool("ls", env={"XDG_CONFIG_HOME": elsewhere})
    stranger_tool("ls", "--config", elsewhere / "jabberfiles" / "config")


def test_the_password_of_one_account_is_not_used_for_another(stranger_tool, server, owner,
                                                             new_owner):
    stranger_tool.configure(jid=owner.jid, password=owner.password, url=server.url("/files"))
    other = new_owner()
    assert other.password == owner.password
    assert other.jid in stranger_tool.complaint("ls", "--jid", other.jid, code=USAGE)
    stranger_tool("ls", "--jid", other.jid, env={"JABBERFILES_PASSWORD": other.password})


def test_programs_that_it_starts_do_not_get_the_password(tool, owner):
    tool.configure(jid=owner.jid, password_command="env >seen; exit 1")
    tool.run("ls", env={"JABBERFILES_JID": None, "JABBERFILES_PASSWORD": None})
    assert "HOME=" in (tool.home / "seen").read_text()
    tool.configure(jid=owner.jid, password_command="env >seen; exit 1")
    tool.run("ls", env={"JABBERFILES_JID": "another@example.org",
                        "JABBERFILES_PASSWORD": "hunter2"}, cwd=tool.home)
    tool.run("ls", "--jid", owner.jid, env={"JABBERFILES_JID": "another@example.org",
                                            "JABBERFILES_PASSWORD": "hunter2"})
    assert "hunter2" not in (tool.home / "seen").read_text()


# Exit codes


def test_0_done(tool):
    assert tool("--version").startswith("jabberfiles ")
    tool("put", "a.txt", code=DONE)


def test_1_failed(tool):
    assert "No such file" in tool.complaint("put", "missing", code=FAILED)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(tool.command(["--help"]), stdout=full, stderr=subprocess.PIPE,
                              check=False)
    assert done.returncode == FAILED and b"standard output" in done.stderr


def test_3_not_found(tool, link):
    tool("rm", "missing", code=NOT_FOUND)
    tool("rm", "a.txt")
    tool("get", "--yes", "--allow-private", link, code=NOT_FOUND)


def test_4_refused(tool, server):
    tool("ls", env={"JABBERFILES_PASSWORD": "wrong"}, code=REFUSED)
    tool("get", "--yes", server.url("/files/private/x").replace("127.0.0.1", "127.0.0.2"),
         code=REFUSED)


def test_5_limit(tool):
    make_file(tool.home / "big", QUOTA_BYTES + 1)
    [error] = tool.run("put", "big", "--json").errors
    assert (error["exit_code"], error["code"]) == (LIMIT, "quota")
    assert error["limit_bytes"] == QUOTA_BYTES
    tool("put", "big", code=LIMIT)


def test_6_unavailable(tool, closed_port):
    tool("ls", env={"JABBERFILES_URL": f"http://127.0.0.1:{closed_port}/files"}, code=UNAVAILABLE)


def test_7_mismatch(tool, link):
    wrong = hashlib.sha256(b"another content").hexdigest()
    tool("get", "--yes", "--allow-private", "--sha256", wrong, "-o", "b.txt", link, code=MISMATCH)
    assert not (tool.home / "b.txt").exists()


def test_8_partly(tool, link):
    assert link
    tool("rm", "missing", "a.txt", code=PARTLY)
    assert "a.txt" not in tool("ls")


def test_9_declined(tool, link):
    with tool.on_terminal("get", "--allow-private", "-o", "b.txt", link) as terminal:
        terminal.answer("[y/N] ", "n")
        assert terminal.finish().code == DECLINED
    assert not (tool.home / "b.txt").exists()


def test_130_interrupted(tool, endless_file):
    with tool.on_terminal("put", endless_file) as terminal:
        terminal.expect("%").type(INTERRUPT)
        done = terminal.finish()
    assert done.code == INTERRUPTED and "interrupted" in done.out


def test_an_interrupted_upload_leaves_nothing(tool, records, endless_file):
    wait_until(lambda: not records.promised_objects(), tool.seconds, "another upload goes on")
    with tool.start("put", endless_file) as running:
        running.wait_for("endless.bin: ")
        assert records.promised_objects()
        done = running.stop()
    assert done.code == INTERRUPTED
    wait_until(lambda: not records.promised_objects(), tool.seconds, "the upload goes on")
    assert "endless.bin" not in tool("ls")


# Progress


def test_a_bar_is_drawn_on_a_terminal(tool, slow_file):
    with tool.on_terminal("put", slow_file, columns=60) as terminal:
        done = terminal.expect("slow.bin").expect("%").expect("[").expect("left").finish()
    assert done.code == DONE
    frames = re.findall(r"\r([^\r\n]*)\x1b\[K", done.out)
    assert len(frames) >= 3 and all(len(frame) < 60 for frame in frames)
    assert re.search(r"slow\.bin: 2 MiB in 0:0\d", done.out)


def test_plain_lines_are_written_where_there_is_no_terminal(tool, slow_file):
    done = tool.run("put", slow_file)
    assert done.code == DONE and len(done.lines) == 1
    assert "\r" not in done.err and "\x1b" not in done.err
    assert re.search(r"^slow\.bin: \d+ %, ", done.err, re.MULTILINE)


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_no_progress_if_that_is_asked_for(tool, slow_file, option):
    done = tool.run("put", slow_file, option)
    assert (done.code, done.stderr) == (DONE, b"")


def test_short_transfers_have_no_progress(tool):
    with tool.on_terminal("put", "a.txt") as terminal:
        done = terminal.finish()
    assert len(done.lines) == 1 and done.out.startswith("http")
