"""What the private Jabber servers of the tests have in common: hosts, life, log."""

import contextlib
import dataclasses
import grp
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from ports import free_ports
from records import wait_until

READY_SECONDS = 40
STOP_SECONDS = 20

# The hosts of every server. What is wrong with the bad ones, says their name.
# Prosody disables accounts in one host only, and offers nothing but PLAIN in another one.
LOCKABLE_HOST = "locked.example"
PLAIN_MECHANISM_HOST = "plainonly.example"
GOOD_HOSTS = ("example.org", "second.example", LOCKABLE_HOST, PLAIN_MECHANISM_HOST)
WILDCARD_HOST = "chat.wild.example"
# No TLS is offered there.
PLAIN_HOST = "notls.example"
BAD_CERTIFICATE_HOSTS = ("expired.example", "selfsigned.example", "stranger.example",
                         "wrongname.example")


@dataclasses.dataclass(frozen=True)
class HostCertificates:
    """The certificate of each host that has one of its own."""

    ca: object
    pairs: dict


def make_host_certificates(authority, stranger):
    """`stranger` is an authority that nobody trusts."""
    good = authority.issue(*GOOD_HOSTS, PLAIN_HOST)
    pairs = dict.fromkeys((*GOOD_HOSTS, PLAIN_HOST), good)
    pairs[WILDCARD_HOST] = authority.issue("*.wild.example")
    pairs["expired.example"] = authority.issue_expired("expired.example")
    pairs["selfsigned.example"] = authority.self_signed("selfsigned.example")
    pairs["stranger.example"] = stranger.issue("stranger.example")
    return HostCertificates(authority.ca, pairs)


@dataclasses.dataclass(frozen=True)
class User:
    jid: str
    password: str

    @property
    def localpart(self):
        return self.jid.rpartition("@")[0]

    @property
    def host(self):
        return self.jid.rpartition("@")[2]


class XmppServer:
    """One server process on loopback. Ports are chosen at the first start and kept.

    `hosts` are those that it serves, by default all that there are certificates for and some bad
    ones; `more` is text for the end of its configuration; `components` are the external ones
    (XEP-0114) that it accepts, with their secrets, at the port "component"."""

    name = None
    account = None
    port_names = ("c2s", "direct")
    event_patterns = {}

    def __init__(self, directory, certificates, hosts=None, more="", components=None):
        self.directory = directory
        self.certificates = certificates
        self.hosts = hosts
        self.more = more
        self.components = components or {}
        if self.components:
            self.port_names = (*self.port_names, "component")
        self.ports = None
        self.process = None
        self._numbers = itertools.count()
        self._log = directory / "log.txt"
        for name in ("certificates", *self._directories()):
            (directory / name).mkdir(parents=True)

    # To be said by each server

    def _directories(self):
        return ()

    def _configure(self):
        raise NotImplementedError

    def _command(self):
        raise NotImplementedError

    def _variables(self):
        return {}

    def _is_ready(self):
        return all(self._listens(self.ports[name]) for name in self.port_names)

    def add_user(self, user):
        raise NotImplementedError

    # Life

    def start(self):
        """Starts the server and returns when it serves."""
        with free_ports(len(self.port_names)) as ports:
            if self.ports is None:
                self.ports = dict(zip(self.port_names, ports))
            self._configure()
            self._give_away()
            self._launch()
            wait_until(self._is_up, READY_SECONDS, f"{self.name} does not serve: {self.tail()}")

    def _is_up(self):
        assert self.process.poll() is None, f"{self.name} has ended: {self.tail()}"
        return self._is_ready()

    def _launch(self):
        variables = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.directory),
                     **self._variables()}
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.directory, env=variables, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **self._credentials())

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @contextlib.contextmanager
    def stopped(self):
        """The server is down."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hanging(self):
        """The server's machine accepts connections, the server says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    # How jabberfilesd reaches it

    def domain_line(self, host="example.org", port="c2s", ca=True, **options):
        """The arguments of JabberFilesDomain for one of the hosts."""
        words = [host, f"connect=127.0.0.1:{self.ports[port]}"]
        words += [f"{key}={value}" for key, value in options.items()]
        return " ".join(words + ([f"ca={self.certificates.ca}"] if ca else []))

    def domain_entry(self, host="example.org", port="c2s", ca=True, **options):
        """The same for the configuration of jabberfilesd."""
        entry = {"name": host, "connect": f"127.0.0.1:{self.ports[port]}", **options}
        return {**entry, "ca": str(self.certificates.ca)} if ca else entry

    # Users

    def new_users(self, count, host="example.org"):
        """So many users nobody has heard of yet."""
        users = []
        for number in itertools.islice(self._numbers, count):
            users.append(User(f"user{number}@{host}", f"pass {number}: colon, comma = equal"))
            self.add_user(users[-1])
        return users

    def new_user(self, host="example.org"):
        return self.new_users(1, host)[0]

    # What the server has seen

    def mark(self):
        """A moment, for `events`."""
        self._settle_log()
        return self._log.stat().st_size

    def events(self, mark):
        """What happened since `mark`: (kind, bare JID) with the kinds "connected" (of nobody
        known), "accepted", "refused" and "bound"."""
        self._settle_log()
        found = []
        for line in self._text_from(mark).splitlines():
            for kind, pattern in self.event_patterns.items():
                match = re.search(pattern, line)
                if match:
                    found.append((kind, self._subject(kind, match.group(1))))
        return [event for event in found if event[1] is not None]

    def _subject(self, kind, text):
        """Whom a log line is about; None if it is not about an XMPP client."""
        return "" if kind == "connected" else text

    def _settle_log(self):
        """Returns when everything that has happened stands in the log."""

    def _text_from(self, offset):
        with open(self._log, "rb") as log:
            log.seek(offset)
            return log.read().decode("utf-8", "replace")

    def tail(self, count=30):
        return "\n".join(self._text_from(0).splitlines()[-count:])

    # Insides

    def _credentials(self):
        if os.geteuid() != 0:
            return {}
        group = grp.getgrgid(pwd.getpwnam(self.account).pw_gid).gr_name
        return {"user": self.account, "group": group, "extra_groups": []}

    def _give_away(self):
        """Lets the server's account have everything."""
        for directory, _, names in os.walk(self.directory):
            for path in (directory, *(os.path.join(directory, name) for name in names)):
                self._chown(path)

    def _chown(self, path):
        credentials = self._credentials()
        if credentials:
            shutil.chown(path, credentials["user"], credentials["group"])

    def _own_copy(self, path):
        """A copy of a certificate or key that the server's account may read."""
        return shutil.copy(path, self.directory / "certificates")

    @staticmethod
    def _listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return True
        except OSError:
            time.sleep(0.02)
            return False
