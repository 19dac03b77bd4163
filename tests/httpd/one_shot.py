"""`socketstreamer get`, and clients that do with its URL what real ones do, and what they do not."""

import dataclasses
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import urllib.parse

SECONDS_TO_END = 30
PIECE_BYTES = 64 << 10
REPORT = re.compile(r"JF0230: (?P<name>.*): (?P<bytes>\d+)(?: of (?P<size>\d+))? bytes, "
                    r"(?P<ms>\d+) ms, client (?P<client>\S+): (?P<cause>.*)\n")


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict
    body: bytes


class OneShot:
    """One run of the program, to be used as a context manager. `url` is what it prints."""

    def __init__(self, env, *args):
        self.seconds = SECONDS_TO_END * env.patience
        self.process = subprocess.Popen(
            [env.streamer, "get", *map(str, args)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        self.url = self.process.stdout.readline().rstrip("\n")
        self.stderr = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def finish(self):
        """Waits for the end; returns the exit status. There is nothing more on standard output."""
        out, self.stderr = self.process.communicate(timeout=self.seconds)
        assert out == ""
        return self.process.returncode

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.finish()

    @property
    def report(self):
        """The line that it logs at its end, which is all it logs, in pieces."""
        match = REPORT.fullmatch(self.stderr)
        assert match, self.stderr
        return match.groupdict()

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    # Clients

    @property
    def place(self):
        """Host and port that the URL names."""
        parts = urllib.parse.urlsplit(self.url)
        return parts.hostname, parts.port

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    def request(self, method="GET", path=None, headers=None, body=None):
        """An ordinary client; raises what http.client raises if the answer is not whole."""
        connection = http.client.HTTPConnection(*self.place, timeout=self.seconds)
        try:
            connection.request(method, self.path if path is None else path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def connect(self, buffer_bytes=None):
        """A connection; with a small receive buffer if this is said."""
        host, port = self.place
        connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        connection.settimeout(self.seconds)
        if buffer_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        connection.connect((host, port))
        return connection

    def ask(self, version="1.1", method="GET", **options):
        """A connection on which the file has been asked for."""
        connection = self.connect(**options)
        connection.sendall(f"{method} {self.path} HTTP/{version}\r\nHost: test\r\n\r\n".encode())
        return connection


def read_until(connection, end):
    """All that comes up to `end`, and perhaps more."""
    data = b""
    while end not in data:
        more = connection.recv(PIECE_BYTES)
        assert more, data
        data += more
    return data


def read_to_break(connection):
    """All that comes until the connection is reset. An orderly end is a failure."""
    data = b""
    while True:
        try:
            more = connection.recv(PIECE_BYTES)
        except ConnectionResetError:
            return data
        assert more, "the answer ends as if it were whole"
        data += more


def is_quiet(connection, seconds=0.2):
    """True if nothing comes meanwhile."""
    return not select.select([connection], [], [], seconds)[0]
