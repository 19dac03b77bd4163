"""A private socketstreamer."""

import contextlib
import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import processes
from answer import Answer
from environment import give_to_server, server_account
from errorlog import ErrorLog
from ports import free_ports
from records import wait_until
from scrape import OPENMETRICS, Scrape

# The second one is for tests that need a daemon of their own beside the common one.
COMPONENT, OWN_COMPONENT = "proxy.example.org", "own.example.org"
COMPONENTS = {COMPONENT: "secret of the proxy", OWN_COMPONENT: "another secret"}
# More hosts than one, for there are rules about them.
HOSTS = ("example.org", "second.example")
TARGET = "bob@example.org/desk"

READY_SECONDS = 30
END_SECONDS = 30
SECONDS_TO_WAIT_FOR_A_LINE = 10

LINE = re.compile(r"(JF02\d\d): (.*)")
# Start and end, a component that is connected, a reload, and how streams ended; that this machine
# allows fewer files than the default number of streams needs.
PEACEFUL = {"JF0200", "JF0201", "JF0203", "JF0204", "JF0207", "JF0208", "JF0210", "JF0211"}
RELOADED, NOT_RELOADED, DISCONNECTED = "JF0204", "JF0205", "JF0202"

_numbers = itertools.count()


class Streamer:
    """One process with its configuration, its ports and its log. `lines` are added to the lines
    that it cannot do without; `listen` is where it listens, at a port of this object's choice;
    `files_max` is how many files the system lets it open."""

    def __init__(self, env, program, directory, xmpp, component, lines=(), listen=("127.0.0.1",),
                 secret=None, files_max=None):
        self.env = env
        self.component = component
        self.directory = directory
        self.config = directory / "socketstreamer.conf"
        self.process = None
        self.log = ErrorLog(directory / "stderr.txt")
        self._command = [program, "--config", str(self.config)]
        if files_max:
            self._command[:0] = ["prlimit", f"--nofile={files_max}:{files_max}"]
        self._xmpp = xmpp
        self._hosts = listen
        self._lines = tuple(lines)
        self._seen = []
        self._expected = []
        self._ports = None
        directory.mkdir()
        self._listeners = range(len(listen))
        self._secret = directory / "secret"
        self.write_secret(secret or self.right_secret)
        self._notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notifications.settimeout(READY_SECONDS * env.patience)
        self._notifications.bind(str(directory / "notify"))
        give_to_server(directory / "notify")

    # Life

    def start(self):
        """Returns when it says that it is ready."""
        with free_ports(len(self._hosts) + 1) as ports:
            self._ports = self._ports or ports
            self.write(*self._lines)
            self._launch()
            assert self.next_notification("STATUS")["READY"] == "1", self.log.tail()

    def next_notification(self, *boring):
        """What it told the service manager, as a dictionary; messages that have only keys in
        `boring` do not count."""
        while True:
            text = self._notifications.recv(4096).decode("utf-8")
            said = dict(line.split("=", 1) for line in text.splitlines())
            if not said.keys() <= set(boring):
                return said

    def _launch(self):
        account = server_account()
        credentials = {"user": account[0], "group": account[1], "extra_groups": []} \
            if account else {}
        variables = {"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(self.directory / "notify")}
        with open(self.directory / "stderr.txt", "ab") as stderr:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
                env=variables, start_new_session=True, **credentials)

    def is_running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_end(self, seconds=END_SECONDS):
        return self.process.wait(seconds * self.env.patience)

    def close(self):
        """Ends it, if a test has not, and judges how it ended and what it said."""
        self._notifications.close()
        if self.process is None:
            return
        try:
            if self.is_running():
                self.signal(signal.SIGTERM)
                # Streams that a failed test has left are nobody's any more.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(2)
                if self.is_running():
                    self.signal(signal.SIGTERM)
            self.wait_for_end()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.returncode == 0, (self.process.returncode, self.log.tail())
        self._judge()

    # Configuration

    @property
    def right_secret(self):
        """The one that the Jabber server wants."""
        return self._xmpp.components[self.component]

    def write_secret(self, secret):
        """Takes effect with the next reload."""
        self._secret.write_text(f"{secret}\n", encoding="ascii")
        self._secret.chmod(0o600)
        give_to_server(self._secret)

    def become(self, component):
        """Another one from the next reload on."""
        self.component = component
        self.write_secret(self.right_secret)

    def listen_only(self, *numbers):
        """At some of its addresses, from the next reload on."""
        self._listeners = numbers

    def write(self, *lines):
        """Replaces the configuration."""
        listeners = [f"listen {'[%s]' % host if ':' in host else host}:{port}"
                     for host, port in map(self.address, self._listeners)]
        self.config.write_text("\n".join((
            f"component {self.component}", f"server 127.0.0.1:{self._xmpp.ports['component']}",
            f"secret-file {self._secret}", f"metrics 127.0.0.1:{self.metrics_port}",
            *listeners, *lines)) + "\n", encoding="utf-8")

    def reload(self, *lines):
        """Returns when the new lines are in force."""
        self.write(*lines)
        before = len(self.lines())
        self.signal(signal.SIGHUP)
        self.wait_for(RELOADED, after=before)

    # Where it is

    def address(self, number=0):
        """For clients: host and port of a listener."""
        return self._hosts[number], self._ports[number]

    @property
    def metrics_port(self):
        return self._ports[-1]

    # What it says

    def lines(self):
        """All lines of the log so far."""
        self._seen += self.log.take_lines()
        return self._seen

    def expect(self, pattern):
        """A line that is no part of a peaceful life and must come."""
        self._expected.append(re.compile(pattern))

    def wait_for(self, pattern, after=0):
        """Waits for a line behind the first `after` ones; returns the match."""
        def find():
            matches = (re.search(pattern, line) for line in self.lines()[after:])
            return next(filter(None, matches), None)

        return wait_until(find, SECONDS_TO_WAIT_FOR_A_LINE * self.env.patience,
                          f"no line {pattern!r} in {self.lines()[after:]}")

    def _judge(self):
        for pattern in self._expected:
            self.wait_for(pattern)
        surprises = []
        for line in self.lines():
            match = LINE.fullmatch(line)
            is_known = match and match.group(1) in PEACEFUL \
                or any(pattern.search(line) for pattern in self._expected)
            if not is_known:
                surprises.append(line)
        assert not surprises, "unannounced in the log:\n" + "\n".join(surprises)

    # Counters

    def scrape(self):
        """The page for Prometheus."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port,
                                                timeout=30 * self.env.patience)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers=OPENMETRICS)
            answer = connection.getresponse()
            return Scrape(Answer(answer.status, answer.headers, answer.read()))

    def count(self, name, **labels):
        """A counter or gauge of now; 0 if there is none with these labels yet."""
        return self.scrape().samples.get(
            (f"jabberfiles_streamer_{name}", *sorted(labels.items())), 0)

    def wait_for_count(self, value, name, **labels):
        wait_until(lambda: self.count(name, **labels) == value, 10 * self.env.patience,
                   f"{name} {labels} is {self.count(name, **labels)}, not {value}")

    def wait_until_connected(self):
        wait_until(lambda: self.count("component_connected") == 1,
                   READY_SECONDS * self.env.patience, f"no component: {self.log.tail()}")

    # The process

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        return processes.cpu_seconds(self.process.pid)

    def user_kib(self):
        """Memory that is this process's alone, without what the kernel has for its sockets."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text("ascii")
        return int(re.search(r"^Anonymous: +(\d+)", text, re.MULTILINE).group(1))


def start_component_server(start, kind):
    """A Jabber server that accepts the tests' daemons."""
    return start(kind, f"{kind.name}-with-components{next(_numbers)}", hosts=HOSTS,
                 components=COMPONENTS)


@contextlib.contextmanager
def streamer_starter(env, program, work_dir):
    """Yields a function that starts daemons, which end and are judged in the end."""
    with contextlib.ExitStack() as stack:
        def start(xmpp, component, *lines, connected=True, **options):
            made = Streamer(env, program, work_dir / f"streamer{next(_numbers)}", xmpp, component,
                            lines, **options)
            stack.callback(made.close)
            made.start()
            if connected:
                made.wait_until_connected()
            return made

        yield start
