"""Clients that measure how fast something comes or goes: raw connections, asked in the kernel how
many bytes have passed, so that a busy machine's late look makes no wrong rate."""

import contextlib
import os
import selectors
import signal
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

from processes import state_of
from wire import request_head

# Of a real network: those of the loopback are 64 KiB, and the kernel does not pace the first ten.
SEGMENT_BYTES = 1460
# Where linux/tcp.h has tcpi_bytes_acked and tcpi_bytes_received in struct tcp_info.
BYTES_ACKED, BYTES_RECEIVED = 120, 128
TCP_INFO_BYTES = 256
DEADLINE_SECONDS = 30
BLOCK_BYTES = 1 << 16
# Of Linux; Python has no name for it.
SO_MAX_PACING_RATE = 47


# Connections


def dial(server, protocol=None):
    """A new connection to the server; over TLS with this application protocol, if there is one."""
    plain = socket.socket()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
    plain.settimeout(DEADLINE_SECONDS * server.env.patience)
    plain.connect(("127.0.0.1", server.port))
    if protocol is None:
        return plain
    context = ssl.create_default_context(cafile=server.site.certificates.ca)
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _passed_bytes(connection, offset):
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    return struct.unpack_from("=Q", info, offset)[0]


def child_of(server, connection):
    """The process of the server that has accepted a connection."""
    ports = f":{server.port:04X}", f":{connection.getsockname()[1]:04X}"
    rows = map(str.split, Path("/proc/net/tcp").read_text("ascii").splitlines())
    inode = next(row[9] for row in rows if (row[1][-5:], row[2][-5:]) == ports)
    for child in server.children():
        with contextlib.suppress(FileNotFoundError):
            for fd in os.scandir(f"/proc/{child}/fd"):
                if os.readlink(fd) == f"socket:[{inode}]":
                    return child
    raise LookupError("no child has the connection")


def _stop(pid):
    """Stops a process; returns when its last thread stands still."""
    os.kill(pid, signal.SIGSTOP)
    while any(state_of(f"{pid}/task/{thread}") not in "TXZ"
              for thread in os.listdir(f"/proc/{pid}/task")):
        time.sleep(0.001)


def dial_child(server, child):
    """A new connection that this child of the server accepts: the others are stopped meanwhile."""
    others = [other for other in server.children() if other != child]
    for other in others:
        _stop(other)
    try:
        connection = dial(server)
        # The kernel answers the call; that httpd has it shows when it answers a request.
        connection.sendall(request_head("GET", "/ready.txt"))
        assert connection.recv(BLOCK_BYTES).startswith(b"HTTP/1.1 200 ")
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)
    assert child_of(server, connection) == child
    return connection


# What is in progress on them


class Member:
    """One connection of a crowd. `events` is what it waits for."""

    events = selectors.EVENT_READ
    passed = BYTES_RECEIVED

    def __init__(self, connection):
        self.connection = connection
        self.is_over = False
        connection.setblocking(False)

    def passed_bytes(self):
        """What has passed so far, of all that there was on this connection."""
        return _passed_bytes(self.connection, self.passed)

    def work(self):
        """Does what it can without waiting; sets is_over at the end."""
        raise NotImplementedError

    def give_up(self):
        """Closes with RST, unless it is closed."""
        if self.connection.fileno() < 0:
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.connection.close()


class Download(Member):
    """A GET whose answer is thrown away. Over when the whole answer is there."""

    def __init__(self, connection, target, client=None):
        super().__init__(connection)
        self._head = b""
        self._missing_bytes = None
        connection.setblocking(True)
        connection.sendall(request_head("GET", target, client=client))
        connection.setblocking(False)

    def work(self):
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            while not self.is_over:
                data = self.connection.recv(BLOCK_BYTES)
                if not data:
                    raise EOFError("the connection was closed before the end")
                self._take(data)

    def _take(self, data):
        if self._missing_bytes is None:
            self._head += data
            head, blank, data = self._head.partition(b"\r\n\r\n")
            if not blank:
                return
            assert head.startswith(b"HTTP/1.1 200 "), head
            fields = head.lower().split(b"\r\n")
            self._missing_bytes = next(int(field[15:]) for field in fields
                                       if field.startswith(b"content-length:"))
        self._missing_bytes -= len(data)
        self.is_over = self._missing_bytes == 0


class Upload(Member):
    """A PUT, as fast as the server takes it or at the client's own rate. Over when all is
    sent; then read_status."""

    events = selectors.EVENT_WRITE
    passed = BYTES_ACKED

    def __init__(self, connection, target, content, client, rate_bytes_per_s=None):
        super().__init__(connection)
        # What waits in the client's own kernel is on no wire yet.
        buffer_bytes = BLOCK_BYTES
        if rate_bytes_per_s:
            connection.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, rate_bytes_per_s)
            buffer_bytes = min(buffer_bytes, rate_bytes_per_s)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        connection.setblocking(True)
        connection.sendall(request_head("PUT", target, f"Content-Length: {len(content)}",
                                        client=client))
        connection.setblocking(False)
        self._content = memoryview(content)

    def work(self):
        with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError):
            while self._content:
                sent_bytes = self.connection.send(self._content[:BLOCK_BYTES])
                self._content = self._content[sent_bytes:]
        self.is_over = not self._content

    def read_status(self):
        self.connection.settimeout(DEADLINE_SECONDS)
        return int(self.connection.recv(BLOCK_BYTES).split(b" ")[1])


# Many of them


class Crowd:
    """Keeps members going in a thread of its own until the `with` block ends; then whatever is
    still in progress is broken off."""

    def __init__(self, patience=1):
        self._patience = patience
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._is_stopping = False
        self._failure = None
        self.members = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._is_stopping = True
        self._thread.join()
        for member in self.members:
            member.give_up()
        self._selector.close()
        if kind is None and self._failure:
            raise self._failure

    def add(self, member):
        with self._lock:
            self.members.append(member)
            self._selector.register(member.connection, member.events, member)
        return member

    def drop(self, member):
        """Breaks one off."""
        with self._lock:
            self.members.remove(member)
            self._forget(member)
        member.give_up()

    def _forget(self, member):
        if member.connection in self._selector.get_map():
            self._selector.unregister(member.connection)

    def _run(self):
        while not self._is_stopping:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.data in self.members:
                        self._work(key.data)

    def _work(self, member):
        try:
            member.work()
        except (OSError, EOFError, AssertionError) as failure:
            self._failure = self._failure or failure
            member.is_over = True
        if member.is_over:
            self._forget(member)

    # Measuring

    def wait(self, *members):
        """Waits until these are over."""
        deadline = time.monotonic() + DEADLINE_SECONDS * self._patience
        while not all(member.is_over for member in members):
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.01)
        if self._failure:
            raise self._failure

    def rates(self, seconds, members=None):
        """Bytes per second of each member in the next seconds."""
        members = members or self.members
        before, begin = [member.passed_bytes() for member in members], time.monotonic()
        time.sleep(seconds)
        after, end = [member.passed_bytes() for member in members], time.monotonic()
        if self._failure:
            raise self._failure
        return [(last - first) / (end - begin) for first, last in zip(before, after)]

    def assert_rate(self, bytes_per_s, members=None, seconds=1.5, tolerance=0.1):
        """Together they take so much. A machine that is busy may make them slower for a while,
        nothing may make them faster. Returns the rates."""
        deadline = time.monotonic() + DEADLINE_SECONDS * self._patience
        while True:
            rates = self.rates(seconds, members)
            assert sum(rates) <= bytes_per_s * (1 + tolerance), rates
            if sum(rates) >= bytes_per_s * (1 - tolerance):
                return rates
            assert time.monotonic() < deadline, f"too slow: {rates}"
