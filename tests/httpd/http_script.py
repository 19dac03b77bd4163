"""An HTTP server that follows a script and remembers what it was asked, for peers that do what no
real server does: hostile ones, broken ones, and those that can more than ours.

    with HttpScript([answer(503, headers={"Retry-After": "1"}), answer(201, b"link\\n")]) as web:
        tool.run("put", "photo.jpg", "--url", web.url("/files"))
    assert [heard.method for heard in web.heard] == ["PUT", "PUT"]
"""

import contextlib
import dataclasses
import email
import email.message
import socket
import ssl
import threading

from byte_proxy import reset

SECONDS_MAX = 60
HEAD_BYTES_MAX = 1 << 20
PIECE_BYTES = 64 << 10


class Over(Exception):
    """The connection is to be closed."""


@dataclasses.dataclass
class Heard:
    """One request, as far as it has come."""

    method: str
    target: str
    headers: email.message.Message
    head: bytes
    body: bytes = b""
    is_complete: bool = False


class Exchange:
    """One request and what is answered to it; a step of a script gets this. `rest` is what has
    come and was not read."""

    def __init__(self, heard, connection, left):
        self.heard = heard
        self._connection = connection
        self.rest = left

    # Listening

    @property
    def expects_100(self):
        return self.heard.headers.get("Expect", "").lower() == "100-continue"

    def read_some(self, count=PIECE_BYTES):
        """Up to so many bytes of the body as they come on the wire, kept in `heard.body`."""
        if not self.rest:
            self.rest = self._connection.recv(PIECE_BYTES)
            if not self.rest:
                raise Over
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def _read_exactly(self, count):
        while count > 0:
            data = self.read_some(count)
            self.heard.body += data
            count -= len(data)

    def _read_raw(self, count):
        """At least so many bytes of a chunked body, with the sizes of its chunks."""
        while len(self.heard.body) < count:
            self.heard.body += self.read_some()
        return self.heard.body

    def _read_line(self):
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.read_some(1)
        return line

    def read_body(self, at_most=None):
        """Reads the body, or its first bytes; says 100 before if the client waits for that."""
        if self.expects_100:
            self.send("HTTP/1.1 100 Continue\r\n\r\n")
        if self.heard.headers.get("Transfer-Encoding", "").lower() == "chunked":
            if at_most is not None:
                return self._read_raw(at_most)
            while size := int(self._read_line().split(b";")[0], 16):
                self._read_exactly(size)
                self._read_line()
            self._read_line()
        else:
            length = int(self.heard.headers.get("Content-Length", 0))
            self._read_exactly(length if at_most is None else min(at_most, length))
            if at_most is not None and at_most < length:
                return self.heard.body
        self.heard.is_complete = True
        return self.heard.body

    # Answering

    def send(self, data):
        """Sends anything."""
        self._connection.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def send_head(self, status, headers=None):
        """Sends a head with exactly these fields; a list of values repeats a field."""
        lines = [f"HTTP/1.1 {status} Scripted"]
        for name, values in (headers or {}).items():
            for value in values if isinstance(values, (list, tuple)) else (values,):
                lines.append(f"{name}: {value}")
        self.send("\r\n".join(lines) + "\r\n\r\n")

    def answer(self, status, body=b"", headers=None):
        """A whole answer; the length of the body is told unless the fields do or must not."""
        fields = dict(headers or {})
        told = {"content-length", "transfer-encoding"} & {name.lower() for name in fields}
        if status != 204 and not told:
            fields["Content-Length"] = str(len(body))
        self.send_head(status, fields)
        if self.heard.method != "HEAD":
            self.send(body)

    def reset(self):
        """Breaks the connection with RST."""
        reset(self._connection)
        raise Over

    def close(self):
        """Ends the connection properly."""
        raise Over

    def hang(self):
        """Says nothing until the client goes away."""
        while self.read_some():
            pass


# Steps


def answer(status, body=b"", headers=None):
    """Reads the whole request and answers."""
    def step(exchange):
        exchange.read_body()
        exchange.answer(status, body, headers)

    return step


def refuse(status, body=b"", headers=None):
    """Answers without reading the body, and closes."""
    def step(exchange):
        exchange.answer(status, body, {**(headers or {}), "Connection": "close"})
        exchange.close()

    return step


def break_off(after_bytes=0):
    """Reads so much of the body, then breaks the connection."""
    def step(exchange):
        exchange.read_body(after_bytes)
        exchange.reset()

    return step


def serve_later(may_go_on, content):
    """A file that is there at once and comes when the event is set."""
    def step(exchange):
        exchange.send_head(200, {"Content-Length": str(len(content))})
        if exchange.heard.method != "HEAD":
            may_go_on.wait(60)
            exchange.send(content)

    return step


def serve(content, headers=None, stop_at=None):
    """A file with Range and If-Range, as real servers have it. `stop_at`: breaks the connection
    when this byte of the file would be sent."""
    fields = {"Accept-Ranges": "bytes", **(headers or {})}

    def step(exchange):
        asked = exchange.heard.headers.get("Range")
        is_same = exchange.heard.headers.get("If-Range") in (None, fields.get("ETag"))
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked and is_same else 0
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} \
            if start else {}
        exchange.send_head(206 if start else 200,
                           {**fields, **more, "Content-Length": str(len(content) - start)})
        if exchange.heard.method == "HEAD":
            return
        exchange.send(content[start:stop_at])
        if stop_at is not None and stop_at < len(content):
            exchange.close()

    return step


# The server


def server_context(certificates):
    """TLS with the certificate of `certs`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    return context


class HttpScript:
    """Listens at a free port of the loopback address (or another one). Each request takes the next
    step of the script, whatever connection it comes on; the last step serves all that follow. A
    dict has one script for each path, "*" for the others."""

    def __init__(self, script, context=None, address="127.0.0.1"):
        self._scripts = {path: list(steps) for path, steps in script.items()} \
            if isinstance(script, dict) else {"*": list(script)}
        self._context = context
        self._listener = socket.create_server((address, 0), backlog=64,
                                              family=socket.AF_INET6 if ":" in address
                                              else socket.AF_INET)
        self.address, self.port = self._listener.getsockname()[:2]
        self._lock = threading.Lock()
        self._open = set()
        self.heard = []
        self.connection_count = 0
        self.failures = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def url(self, path="/", host=None):
        """The URL of a path, perhaps by another name of this machine."""
        host = host or (f"[{self.address}]" if ":" in self.address else self.address)
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def methods(self):
        return [heard.method for heard in self.heard]

    def _accept(self):
        # Closing the listener ends this.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connection_count += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(SECONDS_MAX)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(connection)
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            left = b""
            while True:
                left = self._converse(connection, left)
        except (Over, OSError):
            pass
        except Exception as failure:  # close() tells it
            self.failures.append(failure)
        finally:
            self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _converse(self, connection, left):
        """One request and its answer; returns what has come of the next one."""
        while b"\r\n\r\n" not in left:
            data = connection.recv(PIECE_BYTES)
            if not data or len(left) > HEAD_BYTES_MAX:
                raise Over
            left += data
        head, _, left = left.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ", 2)
        heard = Heard(method, target, email.message_from_bytes(fields), head)
        exchange = Exchange(heard, connection, left)
        self._next_step(heard)(exchange)
        return exchange.rest

    def _next_step(self, heard):
        with self._lock:
            self.heard.append(heard)
            path = heard.target.split("?")[0]
            steps = self._scripts.get(path) or self._scripts["*"]
            return steps.pop(0) if len(steps) > 1 else steps[0]

    def close(self):
        """Ends all connections; a step that failed fails the test."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        assert self.failures == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
