"""Jabber servers with a proxy for bytestreams (XEP-0065), and scripts in the place of one."""

import contextlib
import functools
import socket
import threading

from jabber_pair import PairEjabberd, PairProsody
from streamer import COMPONENT, COMPONENTS

PROXY_HOST = COMPONENT
# Nothing listens there but what a test puts there.
ODD_ADDRESS = "127.0.0.2"
SECONDS_MAX = 60
GREETING, ACCEPTED, GRANTED = b"\5\1\0", b"\5\0", b"\5\0\0\3"
REQUEST_BYTES = 47


class RelayProsody(PairProsody):
    """mod_proxy65."""

    port_names = (*PairProsody.port_names, "proxy")
    address = "127.0.0.1"
    acl = ""

    def _configure(self):
        self._more = PairProsody._more + f"""
VirtualHost "*"
    proxy65_ports = {{{{ {self.ports["proxy"]} }}}}
    proxy65_interfaces = {{{{ "127.0.0.1" }}}}
Component "{PROXY_HOST}" "proxy65"
    proxy65_address = "{self.address}"
    {self.acl}
"""
        super()._configure()


class OddProsody(RelayProsody):
    """Its proxy is said to be where it is not."""

    address = ODD_ADDRESS


class ClosedProsody(RelayProsody):
    """Its proxy is for nobody."""

    acl = 'proxy65_acl = {{ "nobody@example.org" }}'


class RelayEjabberd(PairEjabberd):
    """mod_proxy65."""

    port_names = (*PairEjabberd.port_names, "proxy")

    def _configure(self):
        self._more = PairEjabberd._more + f"""
  mod_proxy65:
    host: "{PROXY_HOST}"
    name: "proxy"
    ip: "127.0.0.1"
    hostname: "127.0.0.1"
    port: {self.ports["proxy"]}
"""
        super()._configure()


_OWN_RELAY = {"components": {PROXY_HOST: COMPONENTS[PROXY_HOST]}}

# Those with a "streamer" wait for socketstreamer.
KINDS = {"prosody": RelayProsody, "ejabberd": RelayEjabberd, "odd": OddProsody,
         "closed": ClosedProsody,
         "streamer-prosody": functools.partial(PairProsody, **_OWN_RELAY),
         "streamer-ejabberd": functools.partial(PairEjabberd, **_OWN_RELAY)}


# What a scripted proxy does with a connection


def hang(_connection, ended):
    """Says nothing."""
    ended.wait(SECONDS_MAX)


def hang_up(_connection, _ended):
    """Ends at once."""


def refuse(connection, _ended):
    """A request is not allowed."""
    connection.recv(len(GREETING), socket.MSG_WAITALL)
    connection.sendall(ACCEPTED)
    connection.recv(REQUEST_BYTES, socket.MSG_WAITALL)
    connection.sendall(b"\5\2\0\3\0\0\0")


def want_password(connection, _ended):
    connection.recv(len(GREETING), socket.MSG_WAITALL)
    connection.sendall(b"\5\xff")


def talk_nonsense(connection, _ended):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    connection.recv(len(GREETING))


def serve(content, stays=False):
    """Grants every stream, in answers of a byte each, and sends the content on it; `stays` until
    the other side ends it."""
    def behave(connection, _ended):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert connection.recv(len(GREETING), socket.MSG_WAITALL) == GREETING
        for byte in ACCEPTED:
            connection.sendall(bytes([byte]))
        request = connection.recv(REQUEST_BYTES, socket.MSG_WAITALL)
        for byte in GRANTED + request[4:]:
            connection.sendall(bytes([byte]))
        connection.sendall(content)
        if stays:
            connection.recv(1)

    return behave


class SocksScript:
    """A proxy that does what it is told to; `calls` has how often it was called."""

    def __init__(self, behave, address="127.0.0.1", port=0):
        self.calls = 0
        self._behave = behave
        self._ended = threading.Event()
        self._listener = socket.create_server((address, port))
        self.address, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._ended.is_set():
            connection, _ = self._listener.accept()
            if self._ended.is_set():
                connection.close()
                return
            self.calls += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(SECONDS_MAX)
            self._behave(connection, self._ended)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        with contextlib.suppress(OSError):
            socket.create_connection((self.address, self.port), 5).close()
        self._thread.join(SECONDS_MAX)
        self._listener.close()
