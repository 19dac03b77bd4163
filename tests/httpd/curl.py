"""curl as users run it."""

import subprocess
import tempfile
from pathlib import Path

from answer import Answer, parse_head


class Curl:
    """Runs curl against one server, with the login of one user or none."""

    def __init__(self, server, client=None):
        self._server = server
        self._options = ["-q", "-sS", "--noproxy", "*", "--max-time",
                         str(60 * server.env.patience)]
        if client:
            self._options += ["-u", f"{client.jid}:{client.password}"]
        if server.site.certificates:
            self._options += ["--cacert", str(server.site.certificates.ca)]

    def __call__(self, *args, body=None):
        """`args` are curl's; a path is completed to a URL. `body` is curl's standard input."""
        args = [self._server.url(arg) if str(arg).startswith("/files") else str(arg)
                for arg in args]
        with tempfile.TemporaryDirectory() as scratch:
            head, content = Path(scratch) / "head", Path(scratch) / "content"
            command = ["curl", *self._options, "-D", head, "-o", content,
                       "-w", "%{size_upload}", *args]
            done = subprocess.run(command, input=body, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr.decode()
            blocks = [parse_head(block) for block in head.read_bytes().split(b"\r\n\r\n") if block]
            received = content.read_bytes() if content.exists() else b""
        version, status, headers = blocks[-1]
        interim = tuple(block[1] for block in blocks[:-1])
        return Answer(status, headers, received, version, interim, int(done.stdout))
