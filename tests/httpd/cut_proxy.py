"""A TCP proxy in front of a server that breaks connections where a test wants it: in the middle of
a download, as networks do."""

import contextlib
import copy
import select
import socket
import threading

from byte_proxy import reset

PIECE_BYTES = 64 << 10


class CutProxy:
    """Listens at a port of its own; `front` is the server as its clients see it.

    `cuts` says for one connection after the other how many bytes of the server reach the client
    before the connection is reset; the connections after these are left alone. `on_cut` is called
    with the number of the cut before it happens. With `is_stalling` a connection is not reset but
    stays open and silent, and `stalled` is set."""

    def __init__(self, server, cuts=(), on_cut=None, is_stalling=False):
        self._address = ("127.0.0.1", server.port)
        self._cuts = list(cuts)
        self._on_cut = on_cut
        self._is_stalling = is_stalling
        self._closing = threading.Event()
        self.stalled = threading.Event()
        self.passed_bytes = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.front = copy.copy(server)
        self.front.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        # Closing the listener ends this.
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                number = len(self.passed_bytes)
                self.passed_bytes.append(0)
                threading.Thread(target=self._relay, args=(client, number), daemon=True).start()

    def _relay(self, client, number):
        """One client and its connection to the server."""
        with contextlib.suppress(OSError), socket.create_connection(self._address) as server:
            while self._left(number) != 0:
                if not self._pass_on(client, server, number):
                    client.close()
                    return
        if self._left(number) == 0:
            self._cut(number)
        reset(client)

    def _left(self, number):
        """How many bytes the client still gets; None: all."""
        if number >= len(self._cuts):
            return None
        return self._cuts[number] - self.passed_bytes[number]

    def _pass_on(self, client, server, number):
        """Waits for something from either side; false when one of them has ended."""
        readable, _, _ = select.select([client, server], [], [])
        if client in readable:
            data = client.recv(PIECE_BYTES)
            server.sendall(data)
            return bool(data)
        left = self._left(number)
        data = server.recv(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
        client.sendall(data)
        self.passed_bytes[number] += len(data)
        return bool(data)

    def _cut(self, number):
        if self._on_cut:
            self._on_cut(number)
        if self._is_stalling:
            self.stalled.set()
            self._closing.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
