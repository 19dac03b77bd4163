"""The error log as part of every assertion: what was not announced fails the test."""

import re
import time

SERIOUS = re.compile(r"\[[\w-]*:(?:warn|error|crit|alert|emerg)\]|exit signal")
# httpd starts its lines with the time; the rest is a C library or a sanitizer speaking.
FORMATTED = re.compile(r"^\[\w{3} \w{3} \d\d ")
# mod_ssl was built with a newer patch of OpenSSL than this machine has: nothing about the module.
OF_THE_MACHINE = re.compile("AH01882:")

SECONDS_TO_WAIT_FOR_A_LINE = 5


class ErrorLog:
    """The lines of one server that nobody has judged yet. Survives restarts of the server."""

    def __init__(self, path):
        self._path = path
        self._offset = 0

    def take_lines(self):
        """Returns the complete lines written since the last call."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return []
        complete = text[:text.rfind(b"\n") + 1]
        self._offset += len(complete)
        return complete.decode("utf-8", "backslashreplace").splitlines()

    def tail(self, count=30):
        """The last lines, judged or not, for the report of a failed test."""
        try:
            text = self._path.read_text("utf-8", "backslashreplace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-count:])


def is_serious(line):
    if not line.strip() or OF_THE_MACHINE.search(line):
        return False
    return bool(SERIOUS.search(line)) or not FORMATTED.match(line)


class LogWatch:
    """Judges what the servers of one test write.

    `expect` and `allow` take a tag ("JF0012") or any other regular expression.
    """

    def __init__(self, servers, patience):
        self._servers = servers
        self._patience = patience
        self._expected = []
        self._allowed = []
        self.lines = []

    def expect(self, pattern):
        """A serious line that must come."""
        self._expected.append(re.compile(pattern))

    def allow(self, pattern):
        """A serious line that may come."""
        self._allowed.append(re.compile(pattern))

    def collect(self):
        """Reads what is new into `lines` and returns all lines of this test."""
        for server in self._servers:
            self.lines += server.log.take_lines()
        return self.lines

    def wait_for(self, pattern, seconds=SECONDS_TO_WAIT_FOR_A_LINE):
        """Waits until a line of this test matches; returns the match."""
        deadline = time.monotonic() + seconds * self._patience
        while True:
            for line in self.collect():
                match = re.search(pattern, line)
                if match:
                    return match
            assert time.monotonic() < deadline, f"no line matching {pattern!r} in the error log"
            time.sleep(0.05)

    def verify(self):
        """Fails unless all announced lines came and no other serious one."""
        for pattern in self._expected:
            self.wait_for(pattern)
        known = self._expected + self._allowed
        surprises = [line for line in self.collect()
                     if is_serious(line) and not any(known_line.search(line)
                                                     for known_line in known)]
        for server in self._servers:
            surprises += server.take_reports()
        assert not surprises, "unannounced in the error log:\n" + "\n".join(surprises)
