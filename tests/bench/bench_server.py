"""A private httpd as the tests have it, but as fast as in production: no checking malloc, no
debug messages."""

import contextlib
import itertools
import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "httpd"))

import certificates
import environment
from processes import cpu_seconds
from server import Server
from users import Users

QUIET_LOG = "LogLevel warn\n"
QUIET_SECONDS = 1


class BenchServer(Server):
    """A server with the environment that a service has."""

    def _environment(self):
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC"}


class Bench:
    """Where the servers of a benchmark live."""

    def __init__(self, work_dir):
        self.env = environment.load()
        self.users = Users(self.env, work_dir / "users")
        self._work_dir = work_dir
        self._servers = []
        self._numbers = itertools.count()
        self._certificates = None

    def new_directory(self, name):
        """One that nobody has."""
        directory = self._work_dir / f"{name}{next(self._numbers)}"
        directory.mkdir()
        return directory

    def certificates(self):
        """For 127.0.0.1, the same each time."""
        if self._certificates is None:
            self._certificates = certificates.make(self.new_directory("certificates"))
        return self._certificates

    def start(self, site, wrapper=()):
        root = self._work_dir / f"server{len(self._servers)}"
        server = BenchServer(self.env, root, site, self.users.path, wrapper)
        self._servers.append(server)
        server.start()
        return server

    def stop(self):
        for server in self._servers:
            server.close()


@contextlib.contextmanager
def bench(parent=None):
    """Yields a Bench, in a directory below `parent`; at the end its servers are stopped and their
    files are gone."""
    work_dir = Path(tempfile.mkdtemp(prefix="jabberfiles-bench.", dir=parent))
    work_dir.chmod(0o755)
    try:
        made = Bench(work_dir)
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(work_dir)


def read_status(client):
    """The values of server-status?auto, as text."""
    text = client.request("GET", "/server-status?auto").text
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def quantile(values, part):
    """The value that so large a part of them does not exceed."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def _busy_seconds():
    """What all processors of the machine have worked for processes, or for other machines. Soft
    interrupts are no process's, and most of them are our own packets."""
    fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, _, _, steal = map(int, fields[:8])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds(servers):
    """What these servers, this process and its ended children have worked."""
    spent = os.times()
    return sum(spent[:4]) + sum(cpu_seconds(pid) for server in servers
                                for pid in server.children())


class OtherWork:
    """Watches what the machine does beside a measurement."""

    def __init__(self, servers):
        self._servers = servers
        self._before = self._look()

    def _look(self):
        return _busy_seconds() - _own_seconds(self._servers), time.monotonic()

    def share(self):
        """The part of the machine that others have used since the last call, 0 to 1."""
        before, self._before = self._before, self._look()
        work, seconds = (after - first for first, after in zip(before, self._before))
        return work / seconds / os.cpu_count()

    def wait_for_quiet(self, share_max, patience_seconds=math.inf):
        """Waits until others leave the machine alone for a moment, but not for ever."""
        end = time.monotonic() + patience_seconds
        while True:
            self.share()
            time.sleep(QUIET_SECONDS)
            if self.share() <= share_max or time.monotonic() > end:
                return
