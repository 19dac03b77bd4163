"""A network of IRC: a private ngircd, and people there who use irssi."""

import contextlib
import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import termios
import threading

from ports import free_port
from records import wait_until

SECONDS_TO_START = 30
SECONDS_TO_STOP = 10

_SERVER = """\
[Global]
    Name = irc.test
    Info = a test
    AdminInfo1 = nobody
    Listen = 127.0.0.1
    Ports = {port}
    ServerUID = nobody
    ServerGID = nogroup
    MotdPhrase = welcome
[Limits]
    MaxConnectionsIP = 0
    MaxPenaltyTime = 0
[Options]
    DNS = no
    Ident = no
    PAM = no
"""

_CLIENT = """\
settings = {
  core = { real_name = "somebody"; user_name = "somebody"; };
  "irc/dcc" = { dcc_own_ip = "127.0.0.1"; };
  "irc/core" = { cmd_queue_speed = "10msec"; };
};
"""

_CODES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\([0-9A-B])|\x0f")


class IrcServer:
    """ngircd on loopback."""

    def __init__(self, directory):
        directory.mkdir()
        config = directory / "ngircd.conf"
        self._log = directory / "log.txt"
        with free_port() as port, open(self._log, "wb") as log:
            self.port = port
            config.write_text(_SERVER.format(port=port), encoding="ascii")
            self._process = subprocess.Popen(["ngircd", "--nodaemon", "--config", str(config)],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            wait_until(self._is_up, SECONDS_TO_START, "ngircd does not serve")

    def _is_up(self):
        assert self._process.poll() is None, self._log.read_text("utf-8", "replace")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        return False

    def close(self):
        _end(self._process)


class Irssi:
    """Somebody at a terminal with irssi; to be used as a context manager."""

    def __init__(self, server, nick, home):
        home.mkdir()
        (home / "config").write_text(_CLIENT, encoding="ascii")
        self._screen = b""
        self._keyboard, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            ["irssi", f"--home={home}", "--connect=127.0.0.1", f"--port={server.port}",
             f"--nick={nick}"],
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True, cwd=home,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm",
                 "LC_ALL": "C.UTF-8"})
        os.close(terminal)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        # A terminal that nobody has open any more cannot be read.
        with contextlib.suppress(OSError):
            while data := os.read(self._keyboard, 65536):
                self._screen += data

    def type(self, line):
        os.write(self._keyboard, f"{line}\n".encode())

    @property
    def screen(self):
        """All that was shown so far, without the codes for places and colours."""
        return _CODES.sub("", self._screen.decode("utf-8", "replace"))

    def wait_for(self, text):
        """Waits until something is on the screen, or was."""
        wait_until(lambda: text in self.screen, SECONDS_TO_START,
                   f"never showed {text!r}: {self.screen!r}")

    def __enter__(self):
        self.wait_for("welcome")
        return self

    def __exit__(self, *_):
        _end(self.process)
        os.close(self._keyboard)


def _end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
