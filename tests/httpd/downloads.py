"""Clients that download, whole or in part, and know exactly what they have got."""

import dataclasses
import os
import re
import socket
import subprocess
from pathlib import Path

from answer import parse_head
from byte_proxy import BUFFER_BYTES, PIECE_BYTES, reset
from kernel_buffer import unread_bytes, wait_until_full
from wire import request_head


@dataclasses.dataclass(frozen=True)
class Got:
    """What a client has received of one answer or of several."""

    content_bytes: int
    head_bytes: int

    def __add__(self, other):
        return Got(self.content_bytes + other.content_bytes, self.head_bytes + other.head_bytes)


def curl(server, *args, stop_after_bytes=None):
    """Downloads with curl; paths are completed to URLs. With `stop_after_bytes` it is
    "curl | head -c": curl ends when it writes what nobody reads any more."""
    command = ["curl", "-q", "-sS", "--noproxy", "*", "--no-buffer",
               "--max-time", str(60 * server.env.patience),
               "-w", "%{stderr}got %{size_download} %{size_header}\n"]
    if server.site.certificates:
        command += ["--cacert", str(server.site.certificates.ca)]
    command += [server.url(arg) if str(arg).startswith("/") else str(arg) for arg in args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        is_whole = stop_after_bytes is None
        reader = ["cat"] if is_whole else ["head", "-c", str(stop_after_bytes)]
        subprocess.run(reader, stdin=process.stdout, stdout=subprocess.DEVNULL, check=True)
        process.stdout.close()
        said = process.stderr.read().decode()
    got = re.findall(r"got (\d+) (\d+)\n", said)
    assert got and (process.returncode == 0) == is_whole, said
    return sum((Got(int(content), int(head)) for content, head in got), Got(0, 0))


class Reader:
    """A plain connection with a small buffer that reads answers piece by piece."""

    def __init__(self, server):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self._socket.settimeout(60 * server.env.patience)
        self._socket.connect(("127.0.0.1", server.port))
        self._buffer = b""
        self.head_bytes = 0
        self.content_bytes = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, target, *fields):
        """Asks for a file; does not wait."""
        self._socket.sendall(request_head("GET", target, *fields))

    def ask_together(self, *targets):
        """Sends several requests in one piece."""
        self._socket.sendall(b"".join(request_head("GET", target) for target in targets))

    def _receive(self):
        data = self._socket.recv(PIECE_BYTES)
        if not data:
            raise EOFError("the server has closed the connection")
        return data

    def read_head(self):
        """Reads the next answer up to its content; returns its status and its fields."""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        self.head_bytes += len(head) + 4
        _, status, fields = parse_head(head)
        return status, fields

    def read(self, count):
        """Reads exactly so much of the content and forgets it."""
        self.content_bytes += count
        while count > len(self._buffer):
            count -= len(self._buffer)
            self._buffer = self._receive()
        self._buffer = self._buffer[count:]

    def read_some(self):
        """Reads what comes next of the content; 0 bytes when the server has closed."""
        data = self._buffer or self._socket.recv(PIECE_BYTES)
        self._buffer = b""
        self.content_bytes += len(data)
        return len(data)

    def read_answer(self):
        """Reads a whole answer; returns its status and its fields."""
        status, fields = self.read_head()
        self.read(int(fields["Content-Length"]))
        return status, fields

    def received_bytes(self):
        """Of the content that flows: what was read, and what waits to be read. The kernel takes
        no more then, so the server can not have sent more."""
        wait_until_full(self._socket)
        return self.content_bytes + len(self._buffer) + unread_bytes(self._socket)

    def served_by(self, server):
        """The child of the server at the other end."""
        here, there = self._socket.getsockname()[1], server.port
        rows = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines())
        inode, = (row[9] for row in rows
                  if row[1].endswith(f":{there:04X}") and row[2].endswith(f":{here:04X}"))
        child, = (child for child in server.children()
                  if f"socket:[{inode}]" in map(os.readlink, Path(f"/proc/{child}/fd").iterdir()))
        return child

    def reset(self):
        """Goes away in the middle."""
        reset(self._socket)

    def close(self):
        """Closes; with unread content that is a reset, too."""
        self._socket.close()
