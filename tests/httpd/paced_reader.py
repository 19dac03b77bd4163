"""Downloads that take as long as the test wants, and remember when each byte came."""

import contextlib
import threading
import time

from downloads import Reader

PAUSE_SECONDS = 0.02


class PacedReader(threading.Thread):
    """Reads one answer a little at a time, until it is whole, or is broken off from either side."""

    def __init__(self, server, target, size_bytes):
        super().__init__(daemon=True)
        self._reader = Reader(server)
        self._size_bytes = size_bytes
        self._seen = []
        self._is_hurried = threading.Event()
        self._reader.ask(target)
        status, _ = self._reader.read_head()
        assert status == 200
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while self._reader.content_bytes < self._size_bytes and self._reader.read_some():
                self._seen.append((time.monotonic(), self._reader.content_bytes))
                if not self._is_hurried.is_set():
                    time.sleep(PAUSE_SECONDS)
        self._reader.reset()

    def got_bytes(self):
        return self._seen[-1][1] if self._seen else 0

    def got_bytes_at(self, moment):
        """How much had come by a moment of time.monotonic()."""
        return max((got for when, got in self._seen if when <= moment), default=0)

    def moment_of(self, count):
        """When so much had come; the moment of the last byte if it never has."""
        return next((when for when, got in self._seen if got >= count), self._seen[-1][0])

    def served_by(self, server):
        return self._reader.served_by(server)

    def hurry(self):
        """Reads what is left as fast as it can."""
        self._is_hurried.set()

    def finish(self, seconds=60):
        """Waits for the end; returns the bytes that have come."""
        self.join(seconds)
        assert not self.is_alive(), "a download does not end"
        return self.got_bytes()
