"""jabberfiles-admin as operators run it."""

import contextlib
import json
import os
import pty
import sqlite3
import subprocess

from client import area_path
from wire import Wire, request_head

SECONDS_TO_RUN = 60


class Admin:
    """Runs the tool on the store of one server."""

    def __init__(self, server, program=None, account=None, **variables):
        """`account` is the (user, group) to run as; `variables` replace the environment's."""
        self._program = [str(program or server.env.admin)]
        if server.env.under_valgrind:
            self._program = ["valgrind", "--quiet", "--error-exitcode=99", "--vgdb=no",
                             "--leak-check=full", "--errors-for-leak-kinds=definite",
                             *self._program]
        self._account = {"user": account[0], "group": account[1], "extra_groups": []} \
            if account else {}
        self._variables = {"PATH": os.environ["PATH"], "JABBERFILES_STORE": str(server.store),
                           **variables}
        self._seconds = SECONDS_TO_RUN * server.env.patience

    def run(self, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE):
        """Runs the tool; returns the completed process with output as bytes."""
        return subprocess.run([*self._program, *map(str, args)], stdin=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, env=self._variables, check=False,
                              timeout=self._seconds, **self._account)

    def start(self, *args):
        """Starts the tool, for those who kill it."""
        return subprocess.Popen([*self._program, *map(str, args)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=self._variables, **self._account)

    def __call__(self, *args, status=0):
        """Returns what the tool prints as text."""
        done = self.run(*args)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode("utf-8")

    def json(self, *args, status=0):
        """Returns the document that the tool prints with --json."""
        return json.loads(self("--json", *args, status=status))

    def complaint(self, *args, status):
        """Returns what the tool prints on standard error; it must print nothing else."""
        done = self.run(*args)
        assert (done.returncode, done.stdout) == (status, b""), (args, done.stderr)
        return done.stderr.decode("utf-8")

    def error(self, *args, status):
        """Returns the error in the form of --json."""
        return json.loads(self.complaint("--json", *args, status=status))["error"]

    def answer(self, typed, *args):
        """Runs the tool on a terminal where somebody types; returns the completed process."""
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, typed)
            return self.run(*args, stdin=terminal)
        finally:
            os.close(keyboard)
            os.close(terminal)


# What it is run against


def ledger_editor(server):
    """A function that changes the ledger behind everybody's back."""
    def execute(statement, *values):
        with contextlib.closing(sqlite3.connect(server.store / "ledger.db", 10)) as ledger:
            ledger.execute(statement, values)
            ledger.commit()

    return execute


@contextlib.contextmanager
def upload_in_flight(server, owner, path, size_bytes):
    """Half of an upload has been sent; yields the connection."""
    with Wire(server) as wire:
        wire.send(request_head("PUT", area_path(owner.jid, path), f"Content-Length: {size_bytes}",
                               "Expect: 100-continue", client=owner))
        assert wire.read_answer().status == 100
        wire.send(bytes(size_bytes // 2))
        yield wire
