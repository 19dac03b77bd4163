"""jabberfiles, the user's tool, as people and programs run it: each with a home of its own."""

import dataclasses
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

from records import wait_until

SECONDS_TO_RUN = 60
# What a terminal sends for the key.
INTERRUPT = b"\x03"


@dataclasses.dataclass(frozen=True)
class Done:
    """The tool has ended. On a terminal `out` is all that was shown, `err` is empty."""

    code: int
    stdout: bytes
    stderr: bytes = b""

    @property
    def out(self):
        return self.stdout.decode("utf-8")

    @property
    def err(self):
        return self.stderr.decode("utf-8")

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def objects(self):
        """What --json printed on standard output, a list."""
        return [json.loads(line) for line in self.lines]

    @property
    def errors(self):
        """What --json printed on standard error, a list."""
        return [json.loads(line) for line in self.err.splitlines()]


class Tool:
    """Runs the tool with an own home directory; nothing of the caller's environment reaches it
    but PATH and what `variables` says (a variable that is None is not set)."""

    def __init__(self, env, home, **variables):
        self.home = Path(home)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._program = [env.jabberfiles]
        if env.under_valgrind:
            self._program = ["valgrind", "--quiet", "--error-exitcode=99", "--vgdb=no",
                             "--leak-check=full", "--errors-for-leak-kinds=definite",
                             *self._program]
        self.variables = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                          "LC_ALL": "C.UTF-8", "TERM": "xterm", **variables}
        self.seconds = SECONDS_TO_RUN * env.patience

    # The account

    @property
    def config(self):
        """Path of the configuration file."""
        return self.home / ".config" / "jabberfiles" / "config"

    def configure(self, text="", mode=0o600, **keys):
        """Writes the configuration: `text`, and lines "key = value"; "_" stands for "-"."""
        self.config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [f"{key.replace('_', '-')} = {value}\n" for key, value in keys.items()]
        self.config.write_text(text + "".join(lines), encoding="utf-8")
        self.config.chmod(mode)

    # Running

    def _environment(self, more):
        together = {**self.variables, **(more or {})}
        return {name: str(value) for name, value in together.items() if value is not None}

    def command(self, args):
        return [*self._program, *map(str, args)]

    def run(self, *args, stdin=None, env=None, cwd=None):
        """Runs the tool to its end, not on a terminal. `stdin` is bytes, a file, or nothing;
        `env` has more variables; the current directory is the home unless `cwd` says another."""
        source = {"input": stdin} if isinstance(stdin, bytes) else \
            {"stdin": subprocess.DEVNULL if stdin is None else stdin}
        done = subprocess.run(self.command(args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self._environment(env), cwd=cwd or self.home, check=False,
                              timeout=self.seconds, **source)
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, *args, code=0, **options):
        """Returns what the tool prints on standard output as text; it must exit with `code`."""
        done = self.run(*args, **options)
        assert done.code == code, (args, done)
        return done.out

    def json(self, *args, code=0, **options):
        """Returns the objects that the tool prints with --json, a list."""
        done = self.run("--json", *args, **options)
        assert done.code == code, (args, done)
        return done.objects

    def complaint(self, *args, code, **options):
        """Returns what the tool prints on standard error; it must print nothing else."""
        done = self.run(*args, **options)
        assert (done.code, done.stdout) == (code, b""), (args, done)
        return done.err

    def start(self, *args, stdin=subprocess.DEVNULL, env=None, cwd=None):
        """Starts the tool in the background; see Running."""
        return Running(self, args, stdin, self._environment(env), cwd or self.home)

    def on_terminal(self, *args, columns=80, env=None, cwd=None):
        """Starts the tool on a terminal of its own; see Terminal."""
        return Terminal(self, args, columns, self._environment(env), cwd or self.home)


class Running:
    """The tool in the background, its output in files. To be used as a context manager: at the
    end it is told to end, and killed if it does not."""

    def __init__(self, tool, args, stdin, variables, cwd):
        self._seconds = tool.seconds
        stem = tool.home / f".running-{time.monotonic_ns()}"
        self._files = [stem.with_suffix(suffix) for suffix in (".out", ".err")]
        with open(self._files[0], "wb") as out, open(self._files[1], "wb") as err:
            self.process = subprocess.Popen(tool.command(args), stdin=stdin, stdout=out,
                                            stderr=err, env=variables, cwd=cwd)

    @property
    def out(self):
        return self._files[0].read_text("utf-8")

    @property
    def err(self):
        return self._files[1].read_text("utf-8")

    @property
    def objects(self):
        """The JSON objects on standard output so far; a line that is not whole is left out."""
        return [json.loads(line) for line in self.out.splitlines(True) if line.endswith("\n")]

    def wait_for(self, text):
        """Waits until `text` is in the output of either kind."""
        def is_there():
            there = text in self.out or text in self.err
            assert there or self.process.poll() is None, (text, self.out, self.err)
            return there

        wait_until(is_there, self._seconds, f"never said {text!r}: {self.out!r} {self.err!r}")

    def wait_for_object(self, **members):
        """Waits for a JSON object with these members and returns it."""
        def find():
            found = [each for each in self.objects if members.items() <= each.items()]
            assert found or self.process.poll() is None, (members, self.out, self.err)
            return found and found[0]

        return wait_until(find, self._seconds, f"never said {members}")

    def finish(self):
        """Waits for the end."""
        code = self.process.wait(self._seconds)
        return Done(code, *(path.read_bytes() for path in self._files))

    def stop(self, number=signal.SIGINT):
        """Interrupts it and waits for the end."""
        self.process.send_signal(number)
        return self.finish()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Terminal:
    """The tool on a terminal, its controlling one, where somebody reads and types. To be used as
    a context manager."""

    def __init__(self, tool, args, columns, variables, cwd):
        self._seconds = tool.seconds
        self._shown = b""
        self._seen = 0
        self._keyboard, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [shutil.which("setsid"), "--ctty", *tool.command(args)], stdin=terminal,
            stdout=terminal, stderr=terminal, env=variables, cwd=cwd)
        os.close(terminal)

    @property
    def screen(self):
        """All that was shown so far, with the codes that move the cursor."""
        return self._shown.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def is_echoing(self):
        """True if the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._keyboard)[3] & termios.ECHO)

    def _read(self, deadline):
        """Reads what is shown next; False at the end."""
        ready, _, _ = select.select([self._keyboard], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"nothing more is shown after {self.screen!r}"
        try:
            data = os.read(self._keyboard, 65536)
        except OSError:
            return False
        self._shown += data
        return bool(data)

    def expect(self, text):
        """Waits until `text` is shown after what was expected before."""
        wanted, deadline = text.encode(), time.monotonic() + self._seconds
        while (place := self._shown.find(wanted, self._seen)) < 0:
            assert self._read(deadline), f"never showed {text!r}: {self.screen!r}"
        self._seen = place + len(wanted)
        return self

    def type(self, keys):
        """Types a line (text), or keys (bytes)."""
        os.write(self._keyboard, keys if isinstance(keys, bytes) else f"{keys}\n".encode())
        return self

    def answer(self, question, line):
        """Waits for a question and types a line."""
        return self.expect(question).type(line)

    def finish(self):
        """Waits for the end."""
        deadline = time.monotonic() + self._seconds
        while self._read(deadline):
            pass
        return Done(self.process.wait(self._seconds), self.screen.encode())

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._keyboard)
