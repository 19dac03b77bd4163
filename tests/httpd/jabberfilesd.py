"""jabberfilesd alone, driven as httpd drives it."""

import base64
import contextlib
import json
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import processes
from environment import server_account

# A process that nobody may look into cannot be searched for leaks either.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=0"}
ANSWER_SECONDS = 30
END_SECONDS = 30


def _block_sigterm():
    """As httpd does, until the program can handle it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


# Becomes the program: the socket as descriptor 3, and as the account that httpd's children have.
# The program is opened first, for that account may not come to where it was built.
_LAUNCHER = """
import os, sys
listener, program, user, group = sys.argv[1:]
os.dup2(int(listener), 3)
file = os.open(program, os.O_RDONLY | os.O_CLOEXEC)
if user:
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
os.closerange(4, file)
os.closerange(file + 1, 1000)
os.execve(file, [program], os.environ)
"""


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode())


class Jabberfilesd:
    """One process with its own socket."""

    def __init__(self, env, domains, deadline_ms=5000, resolver=None):
        self._env = env
        self._directory = tempfile.TemporaryDirectory(prefix="jabberfilesd.")
        self._path = str(Path(self._directory.name) / "socket")
        self.config = {"deadline_ms": deadline_ms, "domains": list(domains)}
        if resolver:
            self.config["resolver"] = resolver
        self.process = None
        self._start()

    def _start(self):
        user, group = self._account()
        with socket.socket(socket.AF_UNIX) as listener, \
                open(self._path + ".err", "wb") as stderr:
            listener.bind(self._path)
            listener.listen(512)
            self.process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCHER, str(listener.fileno()), self._env.daemon,
                 user, group],
                stdin=subprocess.PIPE, stderr=stderr, pass_fds=(listener.fileno(),),
                env=ENVIRONMENT, start_new_session=True, preexec_fn=_block_sigterm)
        self.process.stdin.write(json.dumps(self.config).encode() + b"\n")
        self.process.stdin.flush()

    @staticmethod
    def _account():
        account = server_account()
        if not account:
            return "", ""
        entry = pwd.getpwnam(account[0])
        return str(entry.pw_uid), str(entry.pw_gid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it, as httpd does, and judges how it ended."""
        try:
            if self.process.poll() is None:
                self.process.stdin.close()
                self.process.wait(END_SECONDS * self._env.patience)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            stderr = self.stderr()
            self._directory.cleanup()
        assert (self.process.returncode, stderr) == (0, ""), (self.process.returncode, stderr)

    def stderr(self):
        return Path(self._path + ".err").read_text("utf-8", "replace")

    def is_running(self):
        return self.process.poll() is None

    # Asking

    def connect(self):
        """A connection to its socket."""
        connection = socket.socket(socket.AF_UNIX)
        seconds = ANSWER_SECONDS * self._env.patience
        # With a timeout of Python's own, a full queue of the listener would be an error at once.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", seconds, 0))
        connection.connect(self._path)
        connection.settimeout(seconds)
        return connection

    def ask_raw(self, data):
        """Sends bytes and returns all bytes that come back."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def ask(self, jid, password):
        """Asks about a password; returns the answer's first word."""
        return self.ask_for_reason(jid, password)[0]

    def ask_for_reason(self, jid, password):
        """The answer's first word and its reason; no word if it hangs up without answer."""
        try:
            answer = self.ask_raw(question(jid, password)).decode("ascii")
        except OSError:
            return "", ""
        assert not answer or answer.endswith("\n") and answer.count("\n") == 1, answer
        word, _, reason = answer[:-1].partition(" ")
        return word, reason

    def ask_timed(self, jid, password):
        """The answer's first word and the seconds it took."""
        begin = time.monotonic()
        return self.ask(jid, password), time.monotonic() - begin

    def ask_all(self, logins, parallel=64):
        """Asks about many pairs of JID and password at once; returns the words in their order."""
        with ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda login: self.ask(*login), logins))

    # Looking at the process

    def _status(self, key):
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return next(int(line.split()[1]) for line in text.splitlines()
                    if line.startswith(f"{key}:"))

    def file_slots(self):
        """For how many open files it has room by now: all that others may know of a process that
        must not be looked into."""
        return self._status("FDSize")

    def resident_kib(self):
        return self._status("VmRSS")

    def cpu_seconds(self):
        return processes.cpu_seconds(self.process.pid)


def question(jid, password):
    return b"LOGIN %b %b\n" % (encode(jid), encode(password))


def read_all(connection):
    data = b""
    while block := connection.recv(65536):
        data += block
    return data
