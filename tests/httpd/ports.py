"""Free TCP ports that stay free until the server that wants them listens."""

import contextlib
import fcntl
import os
import socket
import tempfile


@contextlib.contextmanager
def free_ports(count):
    """Yields ports nobody uses. Other test runs of this account wait until the block ends,
    so the block must last until the ports are taken."""
    lock_path = os.path.join(tempfile.gettempdir(), f"jabberfiles-test-ports.{os.getuid()}")
    with open(lock_path, "a", encoding="utf-8") as lock, contextlib.ExitStack() as probes:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in sockets]
        probes.close()
        yield ports


@contextlib.contextmanager
def free_port():
    """One such port."""
    with free_ports(1) as ports:
        yield ports[0]
