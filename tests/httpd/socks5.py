"""SOCKS5 (RFC 1928) as clients of a bytestream speak it (XEP-0065), piece by piece."""

import hashlib
import socket
import struct

SECONDS_TO_WAIT = 30

NO_LOGIN = b"\x05\x01\x00"
NO_LOGIN_TAKEN = b"\x05\x00"
NO_METHOD = b"\x05\xff"
CONNECT, BIND, UDP = 1, 2, 3
IPV4, DOMAIN, IPV6 = 1, 3, 4
SUCCEEDED, FAILED, NOT_ALLOWED, REFUSED, BAD_COMMAND, BAD_ADDRESS_TYPE = 0, 1, 2, 5, 7, 8


def stream_hash(sid, requester, target):
    """What both ask for."""
    return hashlib.sha1(f"{sid}{requester}{target}".encode()).hexdigest().encode("ascii")


def request(address, command=CONNECT, kind=DOMAIN, port=0, version=5):
    """`address` is a name, or the bytes of an IP address."""
    length = bytes([len(address)]) if kind == DOMAIN else b""
    return bytes([version, command, 0, kind]) + length + address + struct.pack(">H", port)


def acceptance(address):
    """The answer that echoes a request."""
    return bytes([5, SUCCEEDED, 0, DOMAIN, len(address)]) + address + b"\0\0"


def connect(address, seconds=SECONDS_TO_WAIT, receive_buffer_bytes=None):
    """A connection; the little buffer is for a peer that must feel full early."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    peer = socket.socket(family)
    peer.settimeout(seconds)
    if receive_buffer_bytes:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        peer.connect(address)
    except OSError:
        peer.close()
        raise
    return peer


def hear(peer, count):
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < count:
        piece = peer.recv(count - len(data))
        assert piece, f"the end after {len(data)} of {count} bytes: {bytes(data)!r}"
        data += piece
    return bytes(data)


def hear_end(peer, count_max=1 << 40):
    """All bytes until the other side ends the connection, in whichever way, or the first ones."""
    data = bytearray()
    try:
        while len(data) < count_max and (piece := peer.recv(min(1 << 16, count_max - len(data)))):
            data += piece
    except ConnectionResetError:
        pass
    return bytes(data)


def greet(address, **options):
    """A connection that has agreed on no login."""
    peer = connect(address, **options)
    peer.sendall(NO_LOGIN)
    assert hear(peer, 2) == NO_LOGIN_TAKEN
    return peer


def join(address, name, **options):
    """A connection that waits for its stream."""
    peer = greet(address, **options)
    peer.sendall(request(name))
    expected = acceptance(name)
    assert hear(peer, len(expected)) == expected
    return peer


def reset(peer):
    """Breaks a connection off: the other side gets an error, not an end."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def is_quiet(peer, seconds):
    """True if nothing comes for so long, not even an end."""
    before = peer.gettimeout()
    peer.settimeout(seconds)
    try:
        peer.recv(1, socket.MSG_PEEK)
        return False
    except TimeoutError:
        return True
    finally:
        peer.settimeout(before)
