"""A raw connection: exact bytes out, exact bytes in, for what no polite client would send."""

import select
import socket
import time

from answer import Answer, parse_head


def request_head(method, target, *fields, client=None, version="HTTP/1.1"):
    """Bytes of a request line and its fields ("Name: value"), with the blank line."""
    lines = [f"{method} {target} {version}", "Host: 127.0.0.1"]
    if client:
        lines.append(f"Authorization: {client.authorization}")
    return "\r\n".join([*lines, *fields, "", ""]).encode("latin-1")


class Wire:
    """One TCP connection to the server; closes at the end of its `with` block."""

    def __init__(self, server):
        self._seconds = 30 * server.env.patience
        self._socket = socket.create_connection(("127.0.0.1", server.port), self._seconds)
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def finish_sending(self):
        """Half-closes, as a client that breaks off."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    def _receive(self):
        data = self._socket.recv(65536)
        self._buffer += data
        return bool(data)

    def _take_until(self, end):
        while end not in self._buffer:
            if not self._receive():
                raise EOFError(f"connection closed after {self._buffer!r}")
        taken, _, self._buffer = self._buffer.partition(end)
        return taken

    def _take(self, count):
        while len(self._buffer) < count:
            if not self._receive():
                raise EOFError(f"connection closed {count - len(self._buffer)} bytes early")
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def read_answer(self, method="PUT"):
        """The next answer, an interim one included."""
        version, status, headers = parse_head(self._take_until(b"\r\n\r\n"))
        body = b"" if method == "HEAD" or status < 200 or status in (204, 304) \
            else self._read_body(headers)
        return Answer(status, headers, body, version)

    def _read_body(self, headers):
        if headers.get("Transfer-Encoding") == "chunked":
            return b"".join(iter(self._read_chunk, b""))
        if "Content-Length" in headers:
            return self._take(int(headers["Content-Length"]))
        while self._receive():
            pass
        body, self._buffer = self._buffer, b""
        return body

    def _read_chunk(self):
        size = int(self._take_until(b"\r\n").split(b";")[0], 16)
        data = self._take(size)
        self._take_until(b"\r\n")
        return data

    def is_closed(self, seconds=10):
        """Waits for the server to close; False if it sends more or keeps the connection."""
        self._socket.settimeout(seconds)
        try:
            return not self._buffer and not self._receive()
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def is_silent(self, seconds):
        """True if nothing arrives for so long."""
        return not self._buffer and not select.select([self._socket], [], [], seconds)[0]

    def pour_until_answered(self, total_bytes):
        """Sends zeros until the server says something; returns how many were taken."""
        block = bytes(65536)
        sent_bytes = 0
        deadline = time.monotonic() + self._seconds
        while sent_bytes < total_bytes and time.monotonic() < deadline:
            readable, writable, _ = select.select([self._socket], [self._socket], [], 1)
            if readable:
                break
            if writable:
                sent_bytes += self._socket.send(block[:total_bytes - sent_bytes])
        return sent_bytes
