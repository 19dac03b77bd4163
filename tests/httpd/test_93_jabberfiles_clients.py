"""What a stock chat client that knows nothing of this project makes of an announcement:
go-sendxmpp, which prints what it gets."""

import subprocess
import urllib.request

import pytest

from announcing import ARRIVE_SECONDS, CONTENT, web_with_file
from jabberfiles import Tool
from records import wait_until


@pytest.fixture(scope="module")
def url():
    with web_with_file() as web:
        yield web.url("/u/7f3c/hello.txt")


@pytest.fixture
def announce(env, tmp_path, pair, url):
    """Announces the link; returns who did."""
    alice = pair.new_user()
    tool = Tool(env, tmp_path / "home", **pair.variables(alice))

    def run(*args):
        done = tool.run("announce", *pair.options, "--allow-private", url, *args)
        assert done.code == 0, done
        return alice.jid

    return run


class GoSendxmpp:
    """Listens as a user; a context manager."""

    def __init__(self, pair, user, directory):
        config = directory / "sendxmpprc"
        config.write_text(f"username: {user.jid}\npassword: {user.password}\n"
                          f"jserver: 127.0.0.1:{pair.xmpp.ports['c2s']}\n", encoding="utf-8")
        config.chmod(0o600)
        self._out = directory / "go-sendxmpp.out"
        with open(self._out, "wb") as out:
            self._process = subprocess.Popen(
                ["go-sendxmpp", "-f", str(config), "-l"], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT,
                env={"HOME": str(directory), "PATH": "/usr/bin", "SSL_CERT_FILE": str(pair.ca)})

    @property
    def shown(self):
        return self._out.read_text("utf-8")

    def wait_for_lines(self, count):
        """What it has shown, when there are so many lines."""
        wait_until(lambda: self.shown.count("\n") >= count, ARRIVE_SECONDS,
                   f"go-sendxmpp shows too little: {self.shown!r}")
        return self.shown.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture
def bob(pair):
    return pair.new_user()


def test_who_was_offline_is_shown_the_link_and_gets_the_file(announce, pair, bob, tmp_path, url):
    alice = announce(bob.jid)
    with GoSendxmpp(pair, bob, tmp_path) as client:
        (line,) = client.wait_for_lines(1)
    assert line.endswith(f" {alice}: {url}")
    with urllib.request.urlopen(line.split()[-1]) as answer:
        assert answer.read() == CONTENT


def test_the_text_stands_before_the_link(announce, pair, bob, tmp_path, url):
    alice = announce(bob.jid, "--message", "Grüße vom See", "--sims")
    with GoSendxmpp(pair, bob, tmp_path) as client:
        lines = client.wait_for_lines(2)
    assert [line.partition(" ")[2] for line in lines] == \
        [f"{alice}: Grüße vom See", f"{alice}: {url}"]
