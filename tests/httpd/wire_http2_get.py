"""Downloads over a raw HTTP/2 connection: several streams at once, each with the bytes of content
that have come, broken off one by one or all together.
"""

import collections
import struct

from wire_http2 import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS,
                        Http2Wire, _literal, _status)

WINDOW_UPDATE = 8
CANCEL = 8
# What a server may send before it is told of more room; for each stream, and for all together.
WINDOW_BYTES = 65535


class Http2Downloads(Http2Wire):
    """Streams are numbered 1, 3, 5 and so on."""

    def __init__(self, server):
        super().__init__(server)
        self.content_bytes = collections.Counter()
        self.statuses = {}
        self._ended = set()
        self._pongs = 0

    def get(self, stream, target, **fields):
        """Asks for a file; underscores in names of fields become dashes."""
        lines = [(":method", "GET"), (":scheme", "https"), (":authority", "127.0.0.1"),
                 (":path", target)]
        lines += [(name.replace("_", "-"), value) for name, value in fields.items()]
        block = b"".join(_literal(*line) for line in lines)
        self._send(HEADERS, END_HEADERS | END_STREAM, stream, block)

    def _read_one(self):
        """Takes in the next frame and makes room for another of its size."""
        head = self._take(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        payload = self._take(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            self._send(SETTINGS, ACK, 0, b"")
        elif kind == PING and flags & ACK:
            self._pongs += 1
        elif kind == HEADERS:
            self.statuses[stream] = _status(payload)
        elif kind == DATA and payload:
            self.content_bytes[stream] += len(payload)
            for receiver in (0, stream):
                self._send(WINDOW_UPDATE, 0, receiver, struct.pack(">I", len(payload)))
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self._ended.add(stream)

    def read_until_ended(self, *streams):
        """Reads until all these streams have ended."""
        while not self._ended.issuperset(streams):
            self._read_one()

    def read_until(self, stream, count):
        """Reads until so much content of a stream is there, or a little more."""
        while self.content_bytes[stream] < count:
            assert stream not in self._ended
            self._read_one()

    def cancel(self, stream):
        """Breaks a stream off, and reads what the server had sent of it before it knew."""
        self._send(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))
        self._send(PING, 0, 0, bytes(8))
        wanted = self._pongs + 1
        while self._pongs < wanted:
            self._read_one()
