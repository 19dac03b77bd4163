"""Free TCP ports that stay free until the server that wants them listens."""

import contextlib
import fcntl
import os
import socket
import tempfile


@contextlib.contextmanager
def free_port():
    """Yields a port nobody uses. Other test runs of this account wait until the block ends,
    so the block must last until the port is taken."""
    lock_path = os.path.join(tempfile.gettempdir(), f"jabberfiles-test-ports.{os.getuid()}")
    with open(lock_path, "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield port
