"""What the kernels at both ends of a connection hold."""

import fcntl
import struct
import termios
import time

LOOK_SECONDS = 0.02
LOOKS_ALIKE = 5


def unread_bytes(connection):
    """How many bytes wait to be read."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, bytes(4)))[0]


def unsent_bytes(connection):
    """How many bytes were written that the other end's kernel has not confirmed."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]


def wait_until_full(connection):
    """Returns when no more comes because there is no room, or because nothing is sent. Nobody may
    read meanwhile. Too early a return is off by no more than the buffer's size."""
    looks = []
    while looks != [unread_bytes(connection)] * LOOKS_ALIKE:
        looks = [*looks[1 - LOOKS_ALIKE:], unread_bytes(connection)]
        time.sleep(LOOK_SECONDS)
