"""A TCP proxy in front of a server that counts what the server has sent: the second opinion on
what was transferred, taken on the wire.
"""

import contextlib
import copy
import select
import socket
import threading

from kernel_buffer import unread_bytes, wait_until_full

# Small, so that a server that nobody reads from soon notices it.
BUFFER_BYTES = 16 << 10
PIECE_BYTES = 64 << 10


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


class _Relay(threading.Thread):
    """One client and its connection to the server."""

    def __init__(self, client, address):
        super().__init__(daemon=True)
        self._client = client
        self._server = socket.socket()
        # Before it is connected: the first window is told to the server with the handshake.
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._server.connect(address)
        self.server_bytes = 0

    def run(self):
        try:
            while self._pass_on():
                pass
        except OSError:
            pass  # The client is gone; what is said to it is lost, and all the same counted.
        # What has come until now has been sent, whoever reads it.
        wait_until_full(self._server)
        with contextlib.suppress(OSError):
            self.server_bytes += unread_bytes(self._server)
        reset(self._server)
        self._client.close()

    def _pass_on(self):
        """Waits for something from either side; false when one of them has ended."""
        readable, _, _ = select.select([self._client, self._server], [], [])
        if self._client in readable:
            data = self._client.recv(PIECE_BYTES)
            self._server.sendall(data)
            return bool(data)
        data = self._server.recv(PIECE_BYTES)
        self.server_bytes += len(data)
        self._client.sendall(data)
        return bool(data)


class ByteProxy:
    """Listens at a port of its own. `front` is the server as its clients see it: whatever connects
    to a server can connect to this one."""

    def __init__(self, server):
        self._address = ("127.0.0.1", server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.front = copy.copy(server)
        self.front.port = self._listener.getsockname()[1]
        self._relays = []
        self._seconds = 60 * server.env.patience
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        # Closing the listener ends this.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                relay = _Relay(client, self._address)
                self._relays.append(relay)
                relay.start()

    def server_bytes(self):
        """What the server has sent on all connections; all of them must have been closed."""
        for relay in self._relays:
            relay.join(self._seconds)
            assert not relay.is_alive(), "a client has not closed its connection"
        return sum(relay.server_bytes for relay in self._relays)

    def connection_count(self):
        return len(self._relays)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(self._seconds)
