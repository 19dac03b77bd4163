"""A file from IRC to Jabber: irssi sends it by DCC in a network of ngircd, a gateway hands it to
socketstreamer, and a Jabber user gets it with jabberfiles, at a real Prosody."""

import contextlib
import os
import socket
import threading

import pytest

from byte_proxy import reset
from foreign_side import ESTABLISHED, LISTENING, ForeignSide, has_socket
from irc_gateway import IrcGateway
from irc_network import IrcServer, Irssi
from receiver import Receiver
from records import wait_until
from xmpp_prosody import Prosody

GATEWAY, SECRET = "irc.example.org", "between friends"
CONTENT = os.urandom(12_000_000)
FIRST_BYTES = 1 << 20
DELIVERED, REFUSED, BROKEN, CLIENT_GONE, STOPPED = 0, 4, 6, 8, 9
SECONDS_MAX = 60


@pytest.fixture(scope="module")
def irc(work_dir):
    server = IrcServer(work_dir / "irc")
    yield server
    server.close()


@pytest.fixture(scope="module")
def xmpp(start_own_xmpp):
    return start_own_xmpp(Prosody, name="prosody-with-gateway", components={GATEWAY: SECRET})


@pytest.fixture
def bob(env, tmp_path, xmpp):
    return Receiver(env, tmp_path / "bob", xmpp, xmpp.new_user())


@pytest.fixture
def alice(irc, tmp_path):
    with Irssi(irc, "alice", tmp_path / "alice") as irssi:
        yield irssi


@pytest.fixture
def start_gateway(env, irc, xmpp):
    """Puts the gateway between the two; Bob is "bob" in IRC."""
    def start(**options):
        return IrcGateway(env, GATEWAY, SECRET, xmpp.ports["component"], irc.port, "bob",
                          **options)

    return start


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "some notes.bin"
    path.write_bytes(CONTENT)
    return path


class Gate:
    """Between irssi and socketstreamer: lets the first bytes through, and the others when it is
    opened. What goes the other way, the acknowledgements, is counted."""

    def __init__(self):
        self._opened = threading.Event()
        self._address = None
        self.acknowledged_bytes = 0
        self._side = ForeignSide(self._pass_on)

    def route(self, host, port):
        self._address = (host, port)
        return "127.0.0.1", self._side.port

    def open(self):
        self._opened.set()

    def wait_for_sender_to_leave(self):
        """Returns when irssi has closed its end."""
        wait_until(lambda: not has_socket(self._address[1], ESTABLISHED), SECONDS_MAX,
                   "irssi does not leave")

    def _pass_on(self, connection):
        with socket.socket() as irssi:
            # Most of the file stays with irssi.
            irssi.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            irssi.connect(self._address)
            back = threading.Thread(target=self._pass_back, args=(connection, irssi))
            back.start()
            try:
                self._pass_gated(connection, irssi)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                # Both ends shall see what one of them has done.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
                reset(connection)
            back.join()

    def _pass_gated(self, connection, irssi):
        left = FIRST_BYTES
        while data := irssi.recv(min(left, 64 << 10)):
            connection.sendall(data)
            left -= len(data)
            if left == 0:
                assert self._opened.wait(SECONDS_MAX)
                left = len(CONTENT)

    def _pass_back(self, connection, irssi):
        with contextlib.suppress(OSError):  # one of them has hung up
            while data := connection.recv(4096):
                self.acknowledged_bytes += len(data)
                irssi.sendall(data)
        with contextlib.suppress(OSError):
            irssi.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        self._side.__enter__()
        return self

    def __exit__(self, *exc_info):
        self.open()
        self._side.__exit__(*exc_info)


def only_delivery(gateway):
    """What became of the one file, when it is over."""
    wait_until(lambda: gateway.deliveries and gateway.deliveries[0].code is not None, SECONDS_MAX,
               f"it does not end: {gateway.deliveries}")
    assert len(gateway.deliveries) == 1
    return gateway.deliveries[0]


@pytest.mark.parametrize("by_iq", [True, False], ids=["iq", "message"])
def test_irssi_sends_a_file_to_a_jabber_user(bob, alice, start_gateway, notes, by_iq):
    with start_gateway(by_iq=by_iq) as gateway:
        running, gateway.user_jid = bob.start("--auto-from", f"alice@{GATEWAY}")
        with running:
            alice.type(f'/dcc send bob "{notes}"')
            file = running.wait_for_object(type="file")
            delivery = only_delivery(gateway)
            done = running.stop()
    assert bob.saved() == {"some notes.bin": CONTENT}
    assert (file["from"], file["size_bytes"]) == (f"alice@{GATEWAY}", len(CONTENT))
    assert (delivery.code, delivery.answer) == (DELIVERED, "result" if by_iq else None)
    assert f"{len(CONTENT)} of {len(CONTENT)} bytes" in delivery.report
    assert (done.code, done.err) == (0, "")
    alice.wait_for("sent file some notes.bin")


def wait_for_first_bytes(bob):
    """Returns the file that is not yet one, when all is there that came through the gate."""
    part = bob.files / "some notes.bin.part"
    wait_until(lambda: part.exists() and part.stat().st_size >= FIRST_BYTES, SECONDS_MAX,
               "the first bytes do not arrive")
    return part


def test_file_is_downloaded_while_it_arrives(bob, alice, start_gateway, notes):
    with Gate() as gate, start_gateway(route=gate.route) as gateway:
        running, gateway.user_jid = bob.start("--auto-from", f"alice@{GATEWAY}")
        with running:
            alice.type(f'/dcc send bob "{notes}"')
            part = wait_for_first_bytes(bob)
            assert part.stat().st_size == FIRST_BYTES
            assert gateway.deliveries[0].report is None
            gate.open()
            running.wait_for_object(type="file")
            assert only_delivery(gateway).code == DELIVERED
    assert bob.saved() == {"some notes.bin": CONTENT}
    assert gate.acknowledged_bytes >= 4 * FIRST_BYTES // (64 << 10)


def test_sender_cancels_before_anybody_came(bob, alice, start_gateway, notes):
    with start_gateway(by_iq=False) as gateway:
        gateway.user_jid = bob.user.jid
        alice.type(f'/dcc send bob "{notes}"')
        wait_until(lambda: gateway.deliveries and gateway.deliveries[0].url, SECONDS_MAX,
                   "there is no offer")
        port = gateway.deliveries[0].port
        assert has_socket(port, LISTENING)
        alice.type("/dcc close send bob")
        wait_until(lambda: not has_socket(port, LISTENING), SECONDS_MAX, "irssi does not cancel")
        done = bob.tool.run("get", "--yes", "--allow-private", gateway.deliveries[0].url,
                            cwd=bob.files)
        assert only_delivery(gateway).code == REFUSED
    assert done.code != 0 and "some notes.bin" in done.err
    assert bob.saved() == {}


def test_sender_cancels_in_the_middle(bob, alice, start_gateway, notes):
    with Gate() as gate, start_gateway(route=gate.route) as gateway:
        running, gateway.user_jid = bob.start("--auto-from", f"alice@{GATEWAY}")
        with running:
            alice.type(f'/dcc send bob "{notes}"')
            wait_for_first_bytes(bob)
            alice.type("/dcc close send bob")
            gate.wait_for_sender_to_leave()
            gate.open()
            wait_until(lambda: gateway.deliveries[0].report, SECONDS_MAX, "it does not end")
            # It would try again, in vain.
            running.stop()
            delivery = only_delivery(gateway)
    assert delivery.code == BROKEN
    assert delivery.answer not in (None, "result")
    assert "some notes.bin" not in bob.saved()


def test_receiver_cancels_in_the_middle(bob, alice, start_gateway, notes):
    with Gate() as gate, start_gateway(route=gate.route) as gateway:
        running, gateway.user_jid = bob.start("--auto-from", f"alice@{GATEWAY}")
        with running:
            alice.type(f'/dcc send bob "{notes}"')
            wait_for_first_bytes(bob)
            running.stop()
            delivery = only_delivery(gateway)
    assert delivery.code == CLIENT_GONE
    assert "some notes.bin" not in bob.saved()


def test_receiver_does_not_want_it(bob, alice, start_gateway, notes):
    with start_gateway() as gateway:
        running, gateway.user_jid = bob.start()
        with running:
            alice.type(f'/dcc send bob "{notes}"')
            delivery = only_delivery(gateway)
    assert (delivery.answer, delivery.code) == ("not-acceptable", STOPPED)
    assert bob.saved() == {}
