"""socketstreamer: its command line, its configuration, what comes with it."""

import configparser
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

SECRET = "secret that nobody may read"
WORDS = ("component proxy.example.org", "server 127.0.0.1:5347", "listen 127.0.0.1:0")


@pytest.fixture
def run(env):
    """Runs the program; returns (status, standard output, standard error)."""
    def run_it(*arguments):
        done = subprocess.run([env.streamer, *map(str, arguments)], text=True, check=False,
                              capture_output=True, timeout=30 * env.patience,
                              env={"PATH": "/usr/bin:/bin"})
        return done.returncode, done.stdout, done.stderr

    return run_it


@pytest.fixture
def write(tmp_path):
    """Writes a configuration; returns its path."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="ascii")
    secret.chmod(0o600)
    path = tmp_path / "streamer.conf"

    def write_it(*lines):
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    write_it.words = (*WORDS, f"secret-file {secret}")
    write_it.secret = secret
    return write_it


def check(run, write, *lines):
    return run("--config", write(*write.words, *lines), "--check")


# The command line


def test_version(run, env):
    status, out, err = run("--version")
    assert (status, err) == (0, "") and env.version in out and "socketstreamer" in out


def test_help(run):
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert {"--config", "--check", "--version"} <= set(re.findall(r"[\w-]+", out))


@pytest.mark.parametrize("arguments", [("--no-such",), ("--config",), ("extra",),
                                       ("--check", "extra")])
def test_wrong_command_line(run, arguments):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "") and err


def test_missing_configuration(run, tmp_path):
    status, out, err = run("--check", "--config", tmp_path / "nowhere.conf")
    assert (status, out) == (2, "") and "nowhere.conf" in err


# Configurations


def test_good_configuration(run, write):
    status, _, err = check(
        run, write, "", "# a comment", "  streams 1000", "streams-per-jid\t5", "stream-bytes 4G",
        "day-bytes 100G", "rate 10M", "activation-timeout 30", "idle-timeout 5m",
        "total-timeout 1d", "drain-timeout 10", "metrics 127.0.0.1:9100",
        "allow example.org alice@example.com", "allow *", "deny bob@example.org",
        "public relay.example.org", "public 192.0.2.1:7777", "listen [::]:0")
    assert (status, err) == (0, "")


@pytest.mark.parametrize("line", ["stream-bytes unlimited", "day-bytes unlimited", "rate unlimited",
                                  "idle-timeout never", "total-timeout never"])
def test_no_limits(run, write, line):
    status, _, err = check(run, write, line)
    assert (status, err) == (0, "")


BAD_LINES = [
    "streams", "streams many", "streams 0", "streams -1", "streams 5 6",
    "streams 99999999999999999999", "streams-per-jid 0x10", "stream-bytes 10Q", "day-bytes -5",
    "rate fast", "rate 0", "activation-timeout soon", "idle-timeout 10y", "total-timeout -1",
    "drain-timeout", "listen 127.0.0.1", "listen localhost:80", "listen 127.0.0.1:99999",
    "listen [::1:7777", "metrics 0.0.0.0:9100", "metrics 192.0.2.1:9100", "metrics 127.0.0.1:",
    "metrics [::]:9100", "allow @@", "allow", "deny", "public relay.example.org:0",
    "public under_score<>.org", "component other.example.org", "server 127.0.0.1:5348",
    "no-such-thing 5", "Streams 5",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_bad_line(run, write, line):
    """One message, with the file, the line, the name; the same when it starts."""
    path = write(*write.words, "# a comment", line)
    for arguments in (("--check",), ()):
        status, out, err = run("--config", path, *arguments)
        assert (status, out) == (2, "")
        message = re.fullmatch(r"socketstreamer: (.*):6: (\S+): .+\n", err)
        assert message and message.groups() == (str(path), line.split()[0]), err


def test_message_has_no_escape_sequences(run, write):
    status, _, err = check(run, write, "\x1b[31mred 5")
    assert status == 2 and "red" in err and "\x1b" not in err and err.count("\n") == 1


@pytest.mark.parametrize("line", ["component @example.org", "server elsewhere", "server 127.0.0.1",
                                  "secret-file", "listen 1.2.3.4.5:6"])
def test_bad_first_lines(run, write, line):
    name = line.split()[0]
    words = [word for word in write.words if word.split()[0] != name]
    status, _, err = run("--check", "--config", write(line, *words))
    assert status == 2 and f".conf:1: {name}: " in err and err.count("\n") == 1, err


@pytest.mark.parametrize("number", range(4))
def test_what_cannot_be_left_out(run, write, number):
    words = [word for index, word in enumerate(write.words) if index != number]
    status, _, err = run("--check", "--config", write(*words))
    assert status == 2
    assert write.words[number].split()[0] in err and err.count("\n") == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_secret_that_others_can_read(run, write, mode):
    write.secret.chmod(mode)
    status, _, err = check(run, write)
    assert status == 2 and str(write.secret) in err and SECRET not in err


@pytest.mark.parametrize("content", ["", "\n", "first\nlines\n", "x" * 100_000],
                         ids=["empty", "empty line", "more lines", "too long"])
def test_secret_that_is_none(run, write, content):
    write.secret.write_text(content, encoding="ascii")
    status, _, err = check(run, write)
    assert status == 2 and str(write.secret) in err and "lines" not in err


def test_secret_that_is_missing(run, write):
    write.secret.unlink()
    status, _, err = check(run, write)
    assert status == 2 and str(write.secret) in err


def test_secret_that_is_a_pipe(run, write):
    """It does not hang."""
    write.secret.unlink()
    os.mkfifo(write.secret, 0o600)
    status, _, err = check(run, write)
    assert status == 2 and str(write.secret) in err


def test_check_touches_nothing(run, write):
    """Neither the port that a running one has, nor the Jabber server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = run("--check", "--config", write(
            *write.words[:1], f"server 127.0.0.1:{port}", f"listen 127.0.0.1:{port}",
            write.words[3]))
        assert (status, err) == (0, "")
        taken.setblocking(False)
        with pytest.raises(BlockingIOError):
            taken.accept()


def test_taken_port_is_said_at_the_start(run, write):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, err = run("--config", write(*write.words, f"listen 127.0.0.1:{port}"))
    assert status not in (0, None) and str(port) in err


# What is installed with it


def test_example_is_right(run, env, write):
    text = (Path(env.srcdir) / "conf" / "socketstreamer.conf").read_text("utf-8")
    text, count = re.subn(r"(?m)^secret-file .*$", f"secret-file {write.secret}", text)
    assert count == 1
    status, _, err = run("--check", "--config", write(text))
    assert (status, err) == (0, "")


def names_in_manual(env):
    text = (Path(env.srcdir) / "tools/socketstreamer/socketstreamer.8").read_text("utf-8")
    return set(re.findall(r"^\.It (?:Ic|Cm) ([a-z-]+)", text, re.MULTILINE))


def test_example_names_every_line_of_the_manual(env):
    """Commented or not: who looks for a limit finds it."""
    text = (Path(env.srcdir) / "conf" / "socketstreamer.conf").read_text("utf-8")
    names = set(re.findall(r"^#? ?([a-z-]+) +\S", text, re.MULTILINE))
    in_manual = names_in_manual(env)
    assert {"component", "allow", "streams", "rate", "drain-timeout"} <= in_manual
    assert in_manual <= names, in_manual - names


def test_unit(env):
    """A service of its own account that can do nothing but its work."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    text = (Path(env.builddir) / "conf" / "socketstreamer.service")
    if not text.exists():
        text = Path(env.srcdir) / "conf" / "socketstreamer.service"
    unit.read_string(text.read_text("utf-8"))
    service = unit["Service"]
    assert service["Type"] in ("notify", "notify-reload")
    assert shlex.split(service["ExecStart"])[0].endswith("/socketstreamer")
    assert "@" not in service["ExecStart"]
    assert service.get("DynamicUser") == "yes" or service["User"] != "root"
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome",
                 "ProtectKernelTunables", "ProtectKernelModules", "ProtectControlGroups",
                 "RestrictNamespaces", "RestrictRealtime", "LockPersonality",
                 "MemoryDenyWriteExecute"):
        assert service[name] in ("yes", "true"), name
    assert service["ProtectSystem"] == "strict"
    assert set(service["RestrictAddressFamilies"].split()) <= {"AF_INET", "AF_INET6", "AF_UNIX"}
    assert "CapabilityBoundingSet" in service and "SystemCallFilter" in service
    # Two sockets for each of the 10000 streams of the default, and pipes for those that move.
    assert int(service["LimitNOFILE"]) >= 40_000
    assert unit["Install"]["WantedBy"] == "multi-user.target"
