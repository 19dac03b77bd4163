"""What a fast client notices while others are slow: its times, and the server's threads meanwhile.
The slow ones live in a process of their own, so that they do not disturb whoever takes times."""

import multiprocessing
import resource
import statistics
import time

from bench_server import quantile, read_status
from client import Client

FAST_BYTES = 100_000


def timed(action, seconds):
    """Appends to `seconds` how long it takes."""
    begin = time.monotonic()
    action()
    seconds.append(time.monotonic() - begin)


class FastRequests:
    """Uploads and downloads one after the other, each over a new connection, and a look at the
    server's status each second."""

    def __init__(self, server, users, base):
        self._client = users.client(server, base=base)
        self._watcher = Client(server)
        self._content = bytes(FAST_BYTES)
        self.uploads, self.downloads, self.states = [], [], []

    def _upload(self):
        assert self._client.put("fast", self._content).status in (200, 201)
        self._client.close()

    def _download(self):
        assert len(self._client.get("fast").body) == FAST_BYTES
        self._client.close()

    def run(self, duration_seconds):
        end = time.monotonic() + duration_seconds
        next_look = 0
        while time.monotonic() < end:
            timed(self._upload, self.uploads)
            timed(self._download, self.downloads)
            if time.monotonic() > next_look:
                self.states.append(read_status(self._watcher))
                next_look = time.monotonic() + 1


def report_times(runs):
    """`runs` has a FastRequests by what it was beside."""
    print("| | requests | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|")
    for name, fast in runs.items():
        for kind, seconds in (("PUT", fast.uploads), ("GET", fast.downloads)):
            p50, p99, most = (1000 * quantile(seconds, part) for part in (0.5, 0.99, 1))
            print(f"| {kind} 100 KB, {name} | {len(seconds)} | {p50:.1f} | {p99:.1f} "
                  f"| {most:.1f} |")


def report_states(fast, *keys):
    for key in ("BusyWorkers", "IdleWorkers", *keys):
        values = [int(state.get(key, -1)) for state in fast.states]
        print(f"{key}: {min(values)} to {max(values)}, median {statistics.median(values):.0f}, of "
              f"{len(values)} looks")


class Apart:
    """A process that runs `function` with these arguments and its end of a pipe."""

    def __init__(self, function, *arguments):
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=function, args=(*arguments, theirs))
        self._process.start()
        theirs.close()

    def tell(self, order):
        self._ours.send(order)

    def hear(self):
        return self._ours.recv()

    def close(self):
        """Waits for its end."""
        self._ours.close()
        self._process.join()


def allow_many_files():
    """As many descriptors as this account may have, for this process and all that it starts."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
