"""Makes requests and takes times: `load` (load.c) over plain HTTP, curl over TLS and HTTP/2."""

import dataclasses
import json
import os
import subprocess
import tempfile
from pathlib import Path

# The servers choose what they serve by this name.
HOST = "localhost"


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for, without a method; `fields` are lines of a head."""

    target: str
    fields: tuple = ()

    def head(self, method, port, body_bytes):
        """The bytes of the head of such a request."""
        length = (f"Content-Length: {body_bytes}",) if method == "PUT" else ()
        lines = (f"{method} {self.target} HTTP/1.1", f"Host: {HOST}:{port}", *self.fields, *length)
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a client says about its requests. A server's share is not in `cpu_seconds`."""

    requests: int
    seconds: float
    cpu_seconds: float
    p99_ms: float = None


class Failed(Exception):
    """A server did not do what was asked for."""


class Load:
    """Makes requests with `load`."""

    def __init__(self, program):
        self._program = program

    def run(self, store, method, requests, body_bytes=0, clients=1, seconds=None, repeat=False):
        """Makes all these requests, or as many as fit into `seconds`; with `repeat` again and
        again until then."""
        options = ["-c", clients, "-b", body_bytes]
        options += ["-s", seconds] if seconds else []
        options += ["-r"] if repeat else []
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"".join(request.head(method, store.port, body_bytes)
                                for request in requests))
            file.flush()
            done = subprocess.run([self._program, *map(str, options), str(store.port), file.name],
                                  text=True, capture_output=True, check=False)
        if done.returncode:
            raise Failed(f"{store.name}: {done.stderr}")
        said = json.loads(done.stdout)
        if said["refused"]:
            raise Failed(f"{store.name}: {said['refused']} of {said['requests']} {method} were "
                         f"refused, the first one:\n{done.stderr}")
        return Outcome(said["requests"], said["seconds"], said["cpu_seconds"], said["p99_ms"])


class Curl:
    """Makes large requests with curl, over TLS."""

    def __init__(self, ca, version):
        """`version` is "1.1" or "2"."""
        self._options = ["-sS", "--fail", "-o", os.devnull, "--cacert", str(ca),
                         f"--http{version}", "-H", "Expect:",
                         "-w", "%{time_total} %{time_appconnect} %{http_version}"]
        self._version = version

    def put(self, store, request, file):
        """Uploads a file. The handshake does not count."""
        fields = [word for line in request.fields for word in ("-H", line)]
        before = os.times()
        done = subprocess.run(["curl", *self._options, *fields, "-T", str(file),
                               f"https://127.0.0.1:{store.port}{request.target}"],
                              text=True, capture_output=True, check=False)
        after = os.times()
        if done.returncode:
            raise Failed(f"{store.name}: {done.stderr}")
        total, handshake, version = done.stdout.split()
        if version != self._version:
            raise Failed(f"{store.name} speaks HTTP/{version}, not HTTP/{self._version}")
        return Outcome(1, float(total) - float(handshake),
                       sum(after[2:4]) - sum(before[2:4]))


def load_of(env):
    """The `load` of a build."""
    return Load(Path(env.builddir) / "tests" / "bench" / "load")
