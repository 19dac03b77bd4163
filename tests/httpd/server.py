"""A private httpd: its directory, its life, its processes."""

import http.client
import os
import signal
import ssl
import subprocess
import time

import config
from environment import give_to_server, shared_library
from errorlog import ErrorLog
from ports import free_port
from processes import children_of, state_of

READY_SECONDS = 20
STOP_SECONDS = 30
QUIET_LOOKS = 3
QUIET_SECONDS = 2
LOOK_SECONDS = 0.02
START_ATTEMPTS = 3
READY_PATH = "/ready.txt"


class StartFailed(Exception):
    """httpd ended instead of serving; the text is what it said."""


class Server:
    """One ServerRoot with the httpd that runs in it. The port is chosen at the first start and
    kept, so links stay valid over restarts."""

    def __init__(self, env, root, site, users_file, wrapper=()):
        """`wrapper` is a command that ends by executing its arguments: httpd runs inside it."""
        self.env = env
        self.root = root
        self.site = site
        self.store = root / site.store
        self.log = ErrorLog(root / "logs" / "error.log")
        self.port = None
        self._pid_file = root / "run" / "httpd.pid"
        self._users_file = users_file
        self._wrapper = tuple(map(str, wrapper))
        self._process = None
        self._reports_seen = set()
        self._make_root()

    def _make_root(self):
        for name in ("logs", "run", "htdocs", "reports"):
            (self.root / name).mkdir(parents=True)
        (self.root / "htdocs" / READY_PATH[1:]).write_text("ready\n", encoding="ascii")
        for name in ("run", "reports"):
            give_to_server(self.root / name)

    # Addresses

    @property
    def scheme(self):
        return "https" if self.site.certificates else "http"

    def url(self, path):
        """Absolute URL of a path of the server."""
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def connect(self, timeout=60, source=None, address="127.0.0.1"):
        """A new http.client connection, perhaps from a certain address of this machine."""
        options = {"timeout": timeout * self.env.patience,
                   "source_address": (source, 0) if source else None}
        if not self.site.certificates:
            return http.client.HTTPConnection(address, self.port, **options)
        context = ssl.create_default_context(cafile=self.site.certificates.ca)
        return http.client.HTTPSConnection(address, self.port, context=context, **options)

    # Life

    def start(self):
        """Starts httpd and returns when it serves."""
        for attempt in range(START_ATTEMPTS):
            with free_port() as port:
                if self.port is None or attempt:
                    self.port = port
                self._write_config()
                self._launch()
                try:
                    self._wait_until_ready()
                    return
                except StartFailed as failure:
                    if "Address already in use" not in str(failure):
                        raise
        raise StartFailed(f"no free port in {START_ATTEMPTS} attempts")

    def stop(self):
        """Stops httpd as an operator does and returns its exit status."""
        self._let_children_settle()
        self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(STOP_SECONDS * self.env.patience)
        self._process = None
        return status

    def restart(self):
        self.stop()
        self.start()

    def graceful(self):
        """Graceful restart with the present configuration; returns when the new generation runs."""
        self._write_config()
        before = self._generations()
        self._process.send_signal(signal.SIGUSR1)
        self._wait(lambda: self._generations() > before, "no new generation")

    def reconfigure(self, site):
        """Gives the running server another configuration."""
        self.site = site
        self.graceful()

    def kill(self):
        """kill -9 of every process of the server at one moment."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None

    def close(self):
        """Ends the server, if it runs."""
        if self._process and self._process.poll() is None:
            self.stop()

    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def check_config(self):
        """Runs httpd -t; returns the completed process."""
        if self.port is None:
            with free_port() as port:
                self.port = port
        self._write_config()
        return subprocess.run([*self._command(), "-t"], env=self._environment(), text=True,
                              capture_output=True, check=False)

    # Processes

    def parent(self):
        """Process id of httpd's parent (the wrapper, if any, has become httpd)."""
        return int(self._pid_file.read_text("ascii"))

    def children(self):
        """Process ids of the children, oldest first."""
        return children_of(self.parent())

    def _let_children_settle(self):
        """Returns when no child has begun, ended or worked for a moment, or after a while.

        httpd is at its weakest when a stop meets something else, and no test is about that:
        mpm_event closes the sockets of busy workers under their hands and may crash in it, and a
        child that is still starting runs its cleanups in a signal handler, where it hangs if the
        signal came within malloc."""
        deadline = time.monotonic() + QUIET_SECONDS * self.env.patience
        looks = []
        while time.monotonic() < deadline:
            looks = [*looks[1 - QUIET_LOOKS:], [(pid, state_of(pid)) for pid in self.children()]]
            if looks == looks[:1] * QUIET_LOOKS and all(state == "S" for _, state in looks[0]):
                return
            time.sleep(LOOK_SECONDS * self.env.patience)

    # What the tools around httpd found

    def take_reports(self):
        """Text of sanitizer reports and valgrind errors that were not returned before."""
        reports = []
        for path in sorted((self.root / "reports").iterdir()):
            text = path.read_text("utf-8", "replace")
            if path in self._reports_seen or self._is_clean(path, text):
                continue
            self._reports_seen.add(path)
            reports.append(f"{path.name}:\n{text[-8000:]}")
        return reports

    def _is_clean(self, path, text):
        if not path.name.startswith("valgrind."):
            return not text.strip()
        return self.is_running() or "ERROR SUMMARY: 0 errors" in text

    # Insides

    def _write_config(self):
        text = config.render(self.env, self.site, self.root, self.port, self._users_file)
        (self.root / "httpd.conf").write_text(text, encoding="utf-8")

    def _command(self):
        return [self.env.httpd, "-d", str(self.root), "-f", str(self.root / "httpd.conf")]

    def _environment(self):
        reports = self.root / "reports"
        variables = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC"}
        if self.env.has_sanitizers:
            variables["LD_PRELOAD"] = shared_library("libasan.so")
            variables["ASAN_OPTIONS"] = f"detect_leaks=0:log_path={reports}/asan"
            variables["UBSAN_OPTIONS"] = f"print_stacktrace=1:log_path={reports}/ubsan"
        elif not self.env.under_valgrind:
            # Since glibc 2.34 MALLOC_CHECK_ has no effect without this library.
            variables["LD_PRELOAD"] = shared_library("libc_malloc_debug.so.0")
            variables["MALLOC_CHECK_"] = "3"
            variables["MALLOC_PERTURB_"] = "165"
        return variables

    def _launch(self):
        command = [*self._wrapper, *self._command()]
        if self.env.under_valgrind:
            log = self.root / "reports" / "valgrind.%p"
            command = ["valgrind", f"--log-file={log}", "--vgdb=no", "--leak-check=full",
                       "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite",
                       "--keep-debuginfo=yes", *command, "-X"]
        else:
            command.append("-DFOREGROUND")
        self._pid_file.unlink(missing_ok=True)
        with open(self.root / "logs" / "stderr.txt", "ab") as stderr:
            self._process = subprocess.Popen(command, env=self._environment(), stderr=stderr,
                                             stdin=subprocess.DEVNULL, start_new_session=True)

    def _answers(self):
        if self._process.poll() is not None:
            raise StartFailed(f"exit status {self._process.returncode}\n{self._last_words()}")
        connection = self.connect(timeout=5)
        try:
            connection.request("GET", READY_PATH)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _wait_until_ready(self):
        # A foreign server on our port would answer too; ours has written its pid file.
        self._wait(lambda: self._answers() and self._pid_file.exists(), "httpd does not serve")

    def _last_words(self):
        return (self.root / "logs" / "stderr.txt").read_text("utf-8", "replace") + self.log.tail()

    def _generations(self):
        # Every start and every graceful restart logs one such line.
        log = (self.root / "logs" / "error.log").read_text("utf-8", "replace")
        return log.count("resuming normal operations")

    def _wait(self, condition, complaint):
        deadline = time.monotonic() + READY_SECONDS * self.env.patience
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{complaint}\n{self._last_words()}")
            time.sleep(0.02)
