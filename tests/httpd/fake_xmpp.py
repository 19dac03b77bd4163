"""A Jabber server that follows a script and remembers what it was told.

A script is the honest dialogue of a login with some of its steps replaced. Nothing here is used for
what must work with real servers; they are in xmpp_prosody and xmpp_ejabberd.
"""

import base64
import contextlib
import dataclasses
import functools
import hashlib
import hmac
import re
import socket
import ssl
import threading
import warnings

USER, PASSWORD = "user", "right password"
ITERATIONS = 4096
SALT = b"salt of the fake server"
SECONDS_MAX = 60

TLS_NS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL_NS = "urn:ietf:params:xml:ns:xmpp-sasl"
HEADER = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1' version='1.0'" \
    " xmlns:stream='http://etherx.jabber.org/streams' from='{domain}'>"


class Over(Exception):
    """The script ends here."""


def server_context(pair, version=None, ciphers=None):
    """TLS with one certificate, perhaps with one version or some ciphers only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old versions: that is what they are for
            context.minimum_version = context.maximum_version = version
    return context


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode("ascii")


def sasl(name, content="", **attributes):
    """An element of SASL."""
    fields = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<{name} xmlns='{SASL_NS}'{fields}>{content}</{name}>"


def sasl_failure(condition):
    return sasl("failure", f"<{condition}/>" if condition else "")


def mechanisms(*names):
    return sasl("mechanisms", "".join(f"<mechanism>{name}</mechanism>" for name in names))


def features(*elements):
    return f"<stream:features>{''.join(elements)}</stream:features>"


STARTTLS = f"<starttls xmlns='{TLS_NS}'><required/></starttls>"
PROCEED = f"<proceed xmlns='{TLS_NS}'/>"


@functools.lru_cache
def salt_password(iterations):
    """What a server keeps of the password; not counted again at each login."""
    return hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, iterations)


class Scram:
    """The server's side of one SCRAM-SHA-256 exchange."""

    def __init__(self, initial, iterations=ITERATIONS):
        """`initial` is the client's first message, decoded."""
        self._iterations = iterations
        self._bare = initial.split(",", 2)[2]
        self.client_nonce = dict(item.split("=", 1) for item in self._bare.split(","))["r"]
        self._salted = salt_password(iterations)
        self._first = None
        self._final = None

    def first(self):
        """The server's first message."""
        self._first = f"r={self.client_nonce}server,s={b64(SALT)},i={self._iterations}"
        return self._first

    def _signature(self, what, is_hashed):
        key = hmac.digest(self._salted, what, "sha256")
        if is_hashed:
            key = hashlib.sha256(key).digest()
        message = f"{self._bare},{self._first},{self._final}"
        return hmac.digest(key, message.encode(), "sha256")

    def accepts(self, final):
        """True if the client's final message proves that it knows the password."""
        self._final, _, proof = final.rpartition(",p=")
        client_key = bytes(a ^ b for a, b in zip(base64.b64decode(proof),
                                                 self._signature(b"Client Key", True)))
        expected = hmac.digest(self._salted, b"Client Key", "sha256")
        return hmac.compare_digest(client_key, expected)

    def last(self):
        """The server's final message."""
        return "v=" + b64(self._signature(b"Server Key", False))


class Visit:
    """One connection."""

    def __init__(self, server, connection):
        self.server = server
        self.in_clear = b""
        self.in_tls = b""
        self.sent_bytes = 0
        self.scram = None
        self.is_over = False
        self._connection = connection
        self._buffer = b""

    @property
    def heard(self):
        return self.in_clear + self.in_tls

    def send(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self._connection.sendall(data)
        self.sent_bytes += len(data)

    def _receive(self):
        data = self._connection.recv(65536)
        if isinstance(self._connection, ssl.SSLSocket):
            self.in_tls += data
        else:
            self.in_clear += data
        self._buffer += data
        return bool(data)

    def hear(self, pattern):
        """Waits for a match; what is before it and the match are taken."""
        while True:
            match = re.search(pattern, self._buffer, re.DOTALL)
            if match:
                self._buffer = self._buffer[match.end():]
                return match
            if not self._receive():
                raise Over

    def hear_base64(self, tag):
        """Waits for an element and returns its decoded text."""
        text = self.hear(rb"<%b\b[^>]*?(?:/>|>([^<]*)</%b>)" % (tag, tag)).group(1)
        return base64.b64decode(text or b"").decode("utf-8", "replace")

    def secure(self):
        """The server's side of the TLS handshake."""
        self._connection = self.server.context.wrap_socket(self._connection, server_side=True)

    def listen_to_the_end(self):
        """Says nothing until the client hangs up."""
        while self._receive():
            pass

    def close(self):
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


# The steps of an honest login


def greet(visit):
    visit.hear(rb"<stream:stream\b[^>]*>")
    visit.send(HEADER.format(domain=visit.server.domain))


def offer_tls(visit):
    visit.send(features(STARTTLS))


def proceed(visit):
    visit.hear(rb"<starttls\b[^>]*>")
    visit.send(PROCEED)


def handshake(visit):
    visit.secure()


def offer(visit):
    visit.send(features(mechanisms(*visit.server.script.mechanisms)))


def hear_auth(visit):
    """Waits for <auth/>. PLAIN is judged here; SCRAM is begun."""
    name = visit.hear(rb"<auth\b[^>]*?mechanism=.([A-Z0-9-]+)(?=[^>]*>)").group(1).decode()
    initial = visit.hear(rb"[^>]*>([^<]*)</auth>").group(1)
    text = base64.b64decode(initial).decode("utf-8", "replace")
    if name == "PLAIN":
        is_right = text.split("\0") == ["", USER, PASSWORD]
        visit.send(sasl("success") if is_right else sasl_failure("not-authorized"))
        raise Over
    visit.scram = Scram(text, visit.server.script.iterations)


def challenge(visit):
    hear_auth(visit)
    visit.send(sasl("challenge", b64(visit.scram.first())))


def success(visit):
    if visit.scram.accepts(visit.hear_base64(b"response")):
        visit.send(sasl("success", b64(visit.scram.last())))
    else:
        visit.send(sasl_failure("not-authorized"))


STEPS = {"connect": lambda visit: None, "greet": greet, "offer_tls": offer_tls,
         "proceed": proceed, "handshake": handshake, "greet_again": greet, "offer": offer,
         "challenge": challenge, "success": success}
DIRECT_TLS = ("connect", "handshake", "greet_again", "offer", "challenge", "success")
WITHOUT_TLS = ("connect", "greet", "offer", "challenge", "success")


@dataclasses.dataclass(frozen=True)
class Script:
    """Which steps are taken, and what is done instead of some of them."""

    steps: tuple
    mechanisms: tuple
    instead: dict
    iterations: int = ITERATIONS

    def run(self, visit):
        for step in self.steps:
            self.instead.get(step, STEPS[step])(visit)


def honest(steps=tuple(STEPS), offered=("SCRAM-SHA-256", "PLAIN"), **instead):
    """The honest script, but with `instead` of some steps."""
    return Script(steps, offered, instead)


class FakeXmpp:
    """Listens on a free port and runs the script for everybody who comes."""

    def __init__(self, script, pair=None, domain="example.org", context=None,
                 address=("127.0.0.1", 0)):
        self.script = script
        self.domain = domain
        self.context = context or (server_context(pair) if pair else None)
        self.visits = []
        self.server_names = []
        if self.context:
            self.context.sni_callback = lambda _, name, __: self.server_names.append(name)
        self._listener = socket.create_server(address, backlog=256)
        self.address, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(SECONDS_MAX)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            visit = Visit(self, connection)
            self.visits.append(visit)
            threading.Thread(target=self._perform, args=(visit,), daemon=True).start()

    def _perform(self, visit):
        try:
            with contextlib.suppress(Over):
                self.script.run(visit)
            visit.listen_to_the_end()
        except (OSError, ValueError):
            pass
        finally:
            visit.close()
            visit.is_over = True

    def open_visits(self):
        """How many connections have not been ended by anybody."""
        return sum(not visit.is_over for visit in self.visits)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for visit in list(self.visits):
            visit.close()

    # What was heard

    @property
    def heard(self):
        return b"".join(visit.heard for visit in self.visits)

    @property
    def in_clear(self):
        return b"".join(visit.in_clear for visit in self.visits)

    def has_heard_password(self, in_clear=False):
        """True if somebody sent the password, in base64 or not."""
        heard = self.in_clear if in_clear else self.heard
        decoded = []
        for text in re.findall(rb"[A-Za-z0-9+/]{8,}={0,2}", heard):
            with contextlib.suppress(ValueError):
                decoded.append(base64.b64decode(text))
        return any(PASSWORD.encode() in text for text in (heard, *decoded))

    def assert_no_session(self):
        """Nobody has begun a session, the login apart."""
        for trace in (b"<presence", b"<iq", b"<message", b"xmpp-bind", b"<bind"):
            assert trace not in self.heard
