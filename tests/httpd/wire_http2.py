"""A raw HTTP/2 connection with one request: what a client sees that waits before it sends.

curl cannot tell: when the server ends a stream that curl still wants to fill, curl 7.88 forgets
the answer (error 92). Only the status of answers is decoded (RFC 7541).
"""

import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_OF_INDEX = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
HUFFMAN_DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4",
                  "011011": "5", "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


def _literal(name, value):
    """A field that is not to be indexed; both strings shorter than 127 bytes."""
    words = (name.encode(), value.encode())
    return b"\0" + b"".join(bytes([len(word)]) + word for word in words)


def _decode_digits(data, is_huffman):
    if not is_huffman:
        return int(data)
    bits, digits, code = "".join(f"{byte:08b}" for byte in data), "", ""
    for bit in bits:
        code += bit
        if code in HUFFMAN_DIGITS:
            digits += HUFFMAN_DIGITS[code]
            code = ""
    return int(digits)


def _status(block):
    """The value of :status, which always comes first."""
    if block[0] & 0x80:
        return STATUS_OF_INDEX[block[0] & 0x7f]
    length = block[1] & 0x7f
    return _decode_digits(block[2:2 + length], block[1] & 0x80)


class Http2Wire:
    """A connection whose stream 1 is an upload."""

    def __init__(self, server):
        self._seconds = 30 * server.env.patience
        context = ssl.create_default_context(cafile=server.site.certificates.ca)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", server.port), self._seconds)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._buffer = b""
        self._socket.sendall(PREFACE)
        self._send(SETTINGS, 0, 0, b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _send(self, kind, flags, stream, payload):
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self._socket.sendall(head + payload)

    def _take(self, count):
        while len(self._buffer) < count:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("connection closed")
            self._buffer += data
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _read_frame(self):
        """The next frame of stream 1; what concerns the connection is answered here."""
        while True:
            head = self._take(9)
            kind, flags, stream = struct.unpack(">BBI", head[3:])
            payload = self._take(int.from_bytes(head[:3], "big"))
            if kind in (SETTINGS, PING) and not flags & ACK:
                self._send(kind, ACK, 0, payload if kind == PING else b"")
            elif stream == 1:
                return kind, flags, payload

    def put(self, target, length_bytes, client, **fields):
        """Sends the head of an upload; underscores in names of fields become dashes."""
        lines = [(":method", "PUT"), (":scheme", "https"), (":authority", "127.0.0.1"),
                 (":path", target), ("authorization", client.authorization),
                 ("content-length", str(length_bytes))]
        lines += [(name.replace("_", "-"), value) for name, value in fields.items()]
        block = b"".join(_literal(*line) for line in lines)
        self._send(HEADERS, END_HEADERS, 1, block)

    def send_body(self, data):
        """Sends the whole content, at most one frame."""
        self._send(DATA, END_STREAM, 1, data)

    def read_status(self):
        """The status of the next answer, an interim one included."""
        while True:
            kind, _, payload = self._read_frame()
            if kind == HEADERS:
                return _status(payload)
            if kind == RST_STREAM:
                raise EOFError("stream reset")

    def read_to_the_end(self):
        """Waits for the end of the stream; returns the code of its RST_STREAM or None."""
        while True:
            kind, flags, payload = self._read_frame()
            if kind == RST_STREAM:
                return int.from_bytes(payload, "big")
            if flags & END_STREAM:
                return None
