"""A DNS server that answers what a test says, over UDP and TCP on one port of loopback."""

import contextlib
import ipaddress
import socket
import struct
import threading

A, CNAME, AAAA, SRV = 1, 5, 28, 33
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
UDP_BYTES_MAX = 512
BIND_ATTEMPTS = 20


def _encode_name(name):
    labels = name.encode("ascii").rstrip(b".").split(b".") if name.strip(".") else []
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def address(text):
    """The content of an A or AAAA record."""
    return ipaddress.ip_address(text).packed


def service(priority, weight, port, target):
    """The content of an SRV record."""
    return struct.pack(">HHH", priority, weight, port) + _encode_name(target)


class FakeDns:
    """`records` has {(name, type): [content...]} or {name: a function of the query's bytes that
    returns the answer's, or None for silence}. What is not in it does not exist."""

    def __init__(self, records, default=NO_SUCH_NAME):
        self._records = {self._key(key): value for key, value in records.items()}
        self._default = default
        self.questions = []
        self._udp, self._tcp = self._bind()
        self.port = self._udp.getsockname()[1]
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def _key(key):
        return key.lower() if isinstance(key, str) else (key[0].lower(), key[1])

    @staticmethod
    def _bind():
        for _ in range(BIND_ATTEMPTS):
            tcp = socket.create_server(("127.0.0.1", 0))
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                udp.bind(tcp.getsockname())
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()
        raise OSError("no port is free for both UDP and TCP")

    @property
    def server(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        for listener in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _serve_udp(self):
        while True:
            try:
                query, sender = self._udp.recvfrom(4096)
                if not query:
                    return  # it was shut down
                answer = self._answer(query, UDP_BYTES_MAX)
                if answer is not None:
                    self._udp.sendto(answer, sender)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, struct.error):
                connection.settimeout(5)
                length, = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))
                answer = self._answer(connection.recv(length, socket.MSG_WAITALL), 65535)
                if answer is not None:
                    connection.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, query, bytes_max):
        name, kind, end = parse_question(query)
        self.questions.append((name, kind))
        behaviour = self._records.get(name)
        if callable(behaviour):
            return behaviour(query)
        chain, owner = [], name
        while (owner, CNAME) in self._records and kind != CNAME:
            content, = self._records[owner, CNAME]
            chain.append(record(owner, CNAME, _encode_name(content)))
            owner = content.lower().rstrip(".")
        contents = self._records.get((owner, kind), [])
        exists = any(key[0] == owner for key in self._records if isinstance(key, tuple))
        code = NO_ERROR if exists else self._default
        records = chain + [record(owner, kind, content) for content in contents]
        answer = head(query, code, len(records)) + query[12:end] + b"".join(records)
        if len(answer) > bytes_max:
            return head(query, code, 0, is_truncated=True) + query[12:end]
        return answer


def parse_question(query):
    """(name, type, offset behind the question) of a query."""
    labels, offset = [], 12
    while query[offset]:
        labels.append(query[offset + 1:offset + 1 + query[offset]])
        offset += 1 + query[offset]
    kind, = struct.unpack_from(">H", query, offset + 1)
    return b".".join(labels).decode("latin-1").lower(), kind, offset + 5


def head(query, code, count, is_truncated=False):
    flags = 0x8180 | code | (0x0200 if is_truncated else 0)
    return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0)


def record(owner, kind, content):
    return _encode_name(owner) + struct.pack(">HHIH", kind, 1, 60, len(content)) + content


def silence(_):
    return None


def garbage(query):
    """An answer that is none behind its identification."""
    return query[:2] + b"\xff" * 200


def pointer_loop(query):
    """An answer whose name points to itself."""
    end = parse_question(query)[2]
    here = struct.pack(">H", 0xC000 | end)
    return head(query, NO_ERROR, 1) + query[12:end] + here \
        + struct.pack(">HHIH", SRV, 1, 60, 8) + b"\0\0\0\0\0\1" + here


def wrong_identification(query):
    """A good-looking answer to another question."""
    end = parse_question(query)[2]
    other = bytes([query[0] ^ 0xFF, query[1]]) + query[2:]
    return head(other, NO_ERROR, 1) + query[12:end] \
        + record("x.example", SRV, service(0, 0, 1, "evil.example"))
