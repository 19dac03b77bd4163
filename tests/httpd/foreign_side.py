"""Somebody in a foreign network who gives a file: a TCP server whose connections follow a script.

    with ForeignSide(give(content)) as foreign:
        one_shot("--from", foreign.address, ...)
    assert foreign.connection_count == 1
"""

import contextlib
import socket
import struct
import threading

from byte_proxy import reset

SECONDS_MAX = 60
ACK_BYTES = 4
# As the kernel has them in /proc/net/tcp.
ESTABLISHED, LISTENING = "01", "0A"
PIECE_BYTES = 64 << 10


class ForeignSide:
    """Listens at a free port of the loopback address. `script` gets each connection, which is
    closed when it returns; `family` may be AF_INET6."""

    def __init__(self, script, family=socket.AF_INET):
        self._script = script
        self._listener = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
        host, self.port = self._listener.getsockname()[:2]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.connection_count = 0
        self.failures = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        # Shutting the listener down ends this.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connection_count += 1
                connection.settimeout(SECONDS_MAX)
                with connection:
                    self._follow(connection)

    def _follow(self, connection):
        try:
            self._script(connection)
        except Exception as failure:  # __exit__ tells it
            self.failures.append(failure)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SECONDS_MAX)
        if exc_info[0] is None:
            assert not self._thread.is_alive(), "a script has not ended"
            assert self.failures == []


def has_socket(port, state):
    """True if there is a TCP socket of IPv4 in this state of the kernel's with this port at its
    end."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


def wait_for_end(connection):
    """Returns what the other side says until it closes; fails if it never does."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(PIECE_BYTES):
            said += data
    return said


# Scripts


def give(content, may_go_on=None, first_bytes=0, end=None):
    """Gives the file: the first bytes, the others when the event is set. `end` is done then,
    instead of closing."""
    def script(connection):
        with contextlib.suppress(ConnectionError):
            connection.sendall(content[:first_bytes])
            assert may_go_on is None or may_go_on.wait(SECONDS_MAX)
            connection.sendall(content[first_bytes:])
            (end or socket.socket.close)(connection)

    return script


def give_nothing(end):
    """`end` is done with the connection as soon as it is there."""
    return give(b"", end=end)


def reset_now(connection):
    reset(connection)


def stay(connection):
    """Leaves closing to the other side."""
    assert wait_for_end(connection) == b""


def send_by_dcc(content, piece_bytes, acks):
    """Sends a piece when the one before was acknowledged, the old way of DCC. All totals that come
    are added to `acks`."""
    def script(connection):
        for begin in range(0, len(content), piece_bytes):
            connection.sendall(content[begin:begin + piece_bytes])
            expected = min(begin + piece_bytes, len(content))
            while not acks or acks[-1] != expected:
                acks.append(_read_ack(connection))

    return script


def _read_ack(connection):
    data = b""
    while len(data) < ACK_BYTES:
        more = connection.recv(ACK_BYTES - len(data))
        assert more, "no acknowledgement but the end"
        data += more
    return struct.unpack(">I", data)[0]
