"""Downloads over one connection of HTTP/2, for paced.Crowd."""

import contextlib
import ssl
import struct

from paced import BLOCK_BYTES, Member
from wire_http2 import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM,
                        SETTINGS)

GOAWAY, WINDOW_UPDATE = 7, 8
INITIAL_WINDOW_SIZE = 4
# Room for a stream, little on purpose: until there is none left, mod_http2 may give the whole
# connection to the first one.
WINDOW_BYTES = (1 << 16) - 1
CONNECTION_WINDOW_BYTES = (1 << 31) - 1
FIRST_WINDOW_BYTES = 65535
# :method GET, :scheme https and :status 200 are in the table that HPACK has from the start.
METHOD_GET, SCHEME_HTTPS, STATUS_200 = b"\x82", b"\x87", 0x88
AUTHORITY, PATH = b"\x01", b"\x04"


def _frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _field(name, value):
    """A field that is not to be indexed, with a name of the table; shorter than 127 bytes."""
    return name + bytes([len(value)]) + value.encode("ascii")


def _more_room(stream, size_bytes):
    return _frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size_bytes))


def _request(stream, target):
    block = METHOD_GET + SCHEME_HTTPS + _field(AUTHORITY, "127.0.0.1") + _field(PATH, target)
    return _frame(HEADERS, END_HEADERS | END_STREAM, stream, block)


class Http2Downloads(Member):
    """GETs on one connection, so many of them at once. `received_bytes` has what came of the content
    of each. Over when the last one is."""

    def __init__(self, connection, targets, at_once=100, window_bytes=WINDOW_BYTES):
        super().__init__(connection)
        assert connection.selected_alpn_protocol() == "h2"
        streams = range(1, 2 * len(targets), 2)
        self.received_bytes = dict.fromkeys(streams, 0)
        self._waiting = [_request(*request) for request in zip(streams, targets)]
        self._unfinished = set(streams)
        self._window_bytes = window_bytes
        self._taken_bytes = dict.fromkeys(streams, 0)
        self._buffer = b""
        connection.setblocking(True)
        connection.sendall(
            PREFACE + _frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window_bytes))
            + _more_room(0, CONNECTION_WINDOW_BYTES - FIRST_WINDOW_BYTES)
            + b"".join(self._waiting[:at_once]))
        connection.setblocking(False)
        del self._waiting[:at_once]

    def work(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            while not self.is_over:
                data = self.connection.recv(BLOCK_BYTES)
                if not data:
                    raise EOFError("the connection was closed before the end")
                self._buffer += data
                self._take_frames()

    def _take_frames(self):
        while len(self._buffer) >= 9:
            end = 9 + int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < end:
                return
            self._take(*struct.unpack(">BBI", self._buffer[3:9]), self._buffer[9:end])
            self._buffer = self._buffer[end:]

    def _take(self, kind, flags, stream, payload):
        assert kind not in (RST_STREAM, GOAWAY), payload
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.connection.send(_frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == HEADERS:
            assert payload[0] == STATUS_200, payload
        elif kind == DATA:
            self.received_bytes[stream] += len(payload)
            self._give_room(stream, len(payload))
            if flags & END_STREAM:
                self._finish(stream)

    def _finish(self, stream):
        self._unfinished.discard(stream)
        self.is_over = not self._unfinished
        if self._waiting:
            self.connection.send(self._waiting.pop(0))

    def _give_room(self, stream, size_bytes):
        self._taken_bytes[stream] += size_bytes
        if self._taken_bytes[stream] >= self._window_bytes / 2:
            self.connection.send(_more_room(stream, self._taken_bytes[stream]))
            self._taken_bytes[stream] = 0
